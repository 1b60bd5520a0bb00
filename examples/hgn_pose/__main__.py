"""Command line of the HGN example: ``python -m examples.hgn_pose --help``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

try:
    import matplotlib  # noqa: F401
    import safetensors  # noqa: F401
    import tqdm  # noqa: F401
    import tyro
except ModuleNotFoundError as error:
    sys.exit(f"the example needs {error.name}: pip install --editable '.[pose]' in the clone")

from examples.hgn_pose.commands.build_cmu17 import BuildCmu17
from examples.hgn_pose.commands.check_data import CheckData
from examples.hgn_pose.commands.demo import Demo
from examples.hgn_pose.commands.evaluate import Evaluate
from examples.hgn_pose.commands.export import Export
from examples.hgn_pose.commands.figures import Figures
from examples.hgn_pose.commands.fit import Fit
from examples.hgn_pose.commands.measure_clips import MeasureClips
from examples.hgn_pose.commands.params import Params
from examples.hgn_pose.commands.predict import Predict
from examples.hgn_pose.commands.robustness import Robustness
from examples.hgn_pose.commands.sample import Sample
from examples.hgn_pose.commands.stream import Stream
from examples.hgn_pose.commands.table import MakeTable
from examples.hgn_pose.commands.train import Train
from examples.hgn_pose.commands.view import View
from examples.hgn_pose.commands.wild import Wild
from examples.hgn_pose.training.processes import expected, first_speaks
from examples.hgn_pose.training.recipes import RECIPES, RecipeName, recipe_of


def command_line(recipe: RecipeName = "published") -> Any:
    """The type of all commands, those that train with the options of a recipe by default."""
    options: dict[str, Any] = {"recipe": recipe, "training": RECIPES[recipe]}
    table = MakeTable(tyro.MISSING, **options)
    return (
        Annotated[Demo, tyro.conf.subcommand("demo")]
        | Annotated[Train, tyro.conf.subcommand("train", default=Train(**options))]
        | Annotated[MakeTable, tyro.conf.subcommand("table", default=table)]
        | Others
    )


Others = (
    Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Robustness, tyro.conf.subcommand("robustness")]
    | Annotated[MeasureClips, tyro.conf.subcommand("measure-clips")]
    | Annotated[Wild, tyro.conf.subcommand("wild")]
    | Annotated[Figures, tyro.conf.subcommand("figures")]
    | Annotated[CheckData, tyro.conf.subcommand("check-data")]
    | Annotated[Predict, tyro.conf.subcommand("predict")]
    | Annotated[Stream, tyro.conf.subcommand("stream")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[View, tyro.conf.subcommand("view")]
    | Annotated[Sample, tyro.conf.subcommand("sample")]
    | Annotated[Fit, tyro.conf.subcommand("fit")]
    | Annotated[BuildCmu17, tyro.conf.subcommand("build-cmu17")]
    | Annotated[Params, tyro.conf.subcommand("params")]
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; bad input ends the process with a message and the status 2."""
    given = sys.argv[1:] if arguments is None else arguments
    root = command_line(recipe_of(given))
    try:
        with first_speaks():
            command = tyro.cli(
                root, args=arguments, prog="python -m examples.hgn_pose", description=DESCRIPTION
            )
            if expected() > 1 and not isinstance(command, Train):
                raise ValueError(ONLY_TRAIN)
        command.run()
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit("interrupted; train --resume goes on after the last whole epoch")


ONLY_TRAIN = "train alone runs on several processes; start this command without torchrun"
DESCRIPTION = """Hierarchical Graph Networks: lift 2D joints to a 3D pose and coarse body meshes
(Li et al., BMVC 2021), on graphs that multiscale_gcn coarsens from a body mesh. Runs from a clone
of the repository, which holds the body and the motion."""


if __name__ == "__main__":
    main()
