"""How a network is trained: schedule, loss, augmentation."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from examples.hgn_pose.samples.augmentation import Augmentation
from multiscale_gcn.checks.arguments import one_of, real_number, whole_number

LossReduction = Literal["sum", "mean", "published", "distance"]

PUBLISHED_LAMBDAS: dict[LossReduction, tuple[float, float]] = {
    "sum": (1.0, 0.01),
    "mean": (100.0, 1.0),
    "published": (100.0, 1.0),
    "distance": (1.0, 0.01),
}
"""Weights of the pose and the mesh term: those of the paper and those of its published code."""


_LATER = ("keep", "steps", "weight_decay", "average", "bf16")
"""Options that files from before there was a choice do not name."""


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained; the defaults are the paper's where it says them."""

    epochs: int = 100
    """Passes over the training frames; one pass shows every frame to each camera once."""
    steps: int | None = None
    """Take as many epochs as so many steps need, in place of --epochs."""
    batch_size: int = 64
    """Samples a step."""
    learning_rate: float = 1e-3
    """Adam's step size at the beginning."""
    schedule: Literal["step", "cosine"] = "step"
    """step: times --decay every --decay-every epochs (the paper's); cosine: down to zero at the
    last step, better for short runs."""
    decay: float = 0.9
    """Factor of the step schedule."""
    decay_every: int = 20
    """Epochs between two factors of the step schedule."""
    clip_norm: float = 1.0
    """Largest norm of the gradient."""
    weight_decay: float = 0.0
    """Share of the learning rate by which weights shrink at every step: AdamW; 0 is Adam."""
    average: float = 0.0
    """Keep a running mean of the weights, of which every step keeps this share, and take it for the
    result; 0: the last weights. Its window should be well under a twentieth of the run."""
    bf16: bool = False
    """Compute in bfloat16, but for the layers that see the 2D joints and those that answer."""
    loss_reduction: LossReduction = "sum"
    """Of squared distances over the nodes of a graph: sum is the paper's equation 4, published its
    code, which averages over the nodes and over x, y and z, and mean averages over the nodes
    alone; distance: the mean distance itself, in which far points do not count most."""
    lambda_pose: float | None = None
    """Weight of the pose term; by default 1 (sum, distance) or the code's 100 (the others)."""
    lambda_mesh: float | None = None
    """Weight of the coarse meshes' term; by default 0.01 (sum, distance) or the code's 1 (the
    others); 0 trains without meshes."""
    keep: Literal["last", "best"] = "last"
    """Which weights a run ends with: the last, or those of the epoch with the least error on
    people who are held out of the training (--held-out, --fold), never on those for the test."""
    seed: int = 0
    """Of the weights, the order of the samples, the augmentation and dropout."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """How much the training poses vary."""

    def __post_init__(self) -> None:
        one_of(self.schedule, "schedule", ("step", "cosine"))
        one_of(self.loss_reduction, "loss_reduction", get_args(LossReduction))
        one_of(self.keep, "keep", ("last", "best"))
        for name in ("epochs", "batch_size", "decay_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.steps is not None:
            whole_number(self.steps, "steps", least=1)
            if self.epochs != TrainingOptions.epochs:
                raise ValueError(
                    f"epochs = {self.epochs} and steps = {self.steps} both say how long; leave "
                    "epochs out, or give steps = None"
                )
        real_number(self.weight_decay, "weight_decay", least=0)
        if not 0 <= real_number(self.average, "average") < 1:
            raise ValueError(f"average = {self.average} must be at least 0 and below 1")
        for name in ("learning_rate", "clip_norm", "decay"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name, weight in zip(("lambda_pose", "lambda_mesh"), self.lambdas(), strict=True):
            if not weight >= 0:
                raise ValueError(f"{name} must not be negative, got {weight}")

    def lambdas(self) -> tuple[float, float]:
        """Weights of the pose and the mesh term, with their defaults filled in.

        Both defaults have the ratio 1 : 0.01 and still weigh the meshes differently, since a mean
        over N nodes is a sum divided by N. Means with 1 : 0.01 weigh a mesh of N nodes as sums
        with 1 : 0.01 * 17 / N would: 0.0035 for 48 nodes, 0.0018 for 96. Adam is all but blind to
        a common factor, but the clipping of the gradient is not: the pose term and its gradient
        are 100 / 17 = 5.9 times those of sums with "mean", and 100 / 51 = 2.0 times with
        "published", and the norm above which they are cut is the same.

        Examples
        --------
        >>> from examples.hgn_pose.training.options import TrainingOptions
        >>> TrainingOptions().lambdas()
        (1.0, 0.01)
        >>> TrainingOptions(loss_reduction="mean").lambdas()
        (100.0, 1.0)
        """
        pose, mesh = PUBLISHED_LAMBDAS[self.loss_reduction]
        return (
            pose if self.lambda_pose is None else self.lambda_pose,
            mesh if self.lambda_mesh is None else self.lambda_mesh,
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values, the defaults of both weights filled in."""
        pose, mesh = self.lambdas()
        plain = {**asdict(self), "augmentation": self.augmentation.as_json()}
        values = {**plain, "lambda_pose": pose, "lambda_mesh": mesh}
        for name in _LATER:
            if values[name] == getattr(TrainingOptions, name):
                del values[name]
        return values

    def lasting(self, steps_an_epoch: int) -> TrainingOptions:
        """The same with as many epochs as ``steps`` need.

        Examples
        --------
        >>> from examples.hgn_pose.training.options import TrainingOptions
        >>> TrainingOptions(steps=100).lasting(30).epochs, TrainingOptions().lasting(30).epochs
        (4, 100)
        """
        if self.steps is None:
            return self
        return replace(self, steps=None, epochs=math.ceil(self.steps / steps_an_epoch))

    @property
    def length(self) -> str:
        """How long it lasts, for a table's caption."""
        return f"{self.epochs} epochs" if self.steps is None else f"{self.steps:,} steps"

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """Learning rate of one step of one epoch that has ``steps`` steps.

        Examples
        --------
        >>> from examples.hgn_pose.training.options import TrainingOptions
        >>> TrainingOptions(learning_rate=1.0).rate(epoch=45, step=0, steps=10)
        0.81
        >>> TrainingOptions(learning_rate=1.0, schedule="cosine").rate(epoch=50, step=0, steps=10)
        0.5
        """
        if self.schedule == "step":
            return self.learning_rate * round(self.decay ** (epoch // self.decay_every), 12)
        done = (epoch + step / steps) / self.epochs
        return self.learning_rate * round((1 + math.cos(math.pi * done)) / 2, 12)
