"""Ways of training by name, of which every option can still be changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast, get_args

from examples.hgn_pose.samples.augmentation import Augmentation
from examples.hgn_pose.training.options import TrainingOptions

RecipeName = Literal["published", "modern"]

RECIPES: dict[RecipeName, TrainingOptions] = {
    "published": TrainingOptions(),
    "modern": TrainingOptions(
        steps=6000,
        batch_size=1024,
        schedule="cosine",
        weight_decay=0.01,
        average=0.99,
        bf16=True,
        loss_reduction="distance",
        lambda_mesh=0.0,
        augmentation=Augmentation(bones=0.1, crossover=0.3),
    ),
}
"""published: as Li et al. 2021 train HGN. modern: what practice has come to since."""


def recipe_of(arguments: Sequence[str]) -> RecipeName:
    """The recipe that a command line names; the published one if it names none that is known.

    Examples
    --------
    >>> recipe_of(["train", "--recipe", "modern", "--steps", "10"]), recipe_of(["demo"])
    ('modern', 'published')
    """
    named = "published"
    for place, argument in enumerate(arguments):
        option, equals, value = argument.partition("=")
        if option == "--recipe":
            named = value if equals else "".join(arguments[place + 1 : place + 2])
    return cast("RecipeName", named) if named in get_args(RecipeName) else "published"
