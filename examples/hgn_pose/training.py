"""Train a pose network: the two-term loss, the schedule, one reproducible epoch after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from examples.hgn_pose.cameras import Cameras
from examples.hgn_pose.replay import Replay
from examples.hgn_pose.samples import (
    Augmentation,
    Batch,
    Samples,
    Variation,
    check_in_view,
    make_batch,
)

PUBLISHED_LAMBDAS = {"sum": (1.0, 0.01), "mean": (100.0, 1.0)}
"""Weights of the pose and the mesh term: those of the paper and those of its published code."""


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained; the defaults are the paper's where it says them."""

    epochs: int = 100
    """Passes over the training frames; one pass shows every frame to each camera once."""
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
    loss_reduction: Literal["sum", "mean"] = "sum"
    """Of squared distances over the nodes of a graph: sum is the paper's equation 4, mean is its
    published code."""
    lambda_pose: float | None = None
    """Weight of the pose term; by default the published 1 (sum) or 100 (mean)."""
    lambda_mesh: float | None = None
    """Weight of the coarse meshes' term; by default the published 0.01 (sum) or 1 (mean); 0 trains
    without meshes."""
    seed: int = 0
    """Of the weights, the order of the samples, the augmentation and dropout."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """How much the training poses vary."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "decay_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
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
        with 1 : 0.01 * 17 / N would: 0.0035 for 48 nodes, 0.0018 for 96. The common factor of 100
        matters to the clipping of the gradient; Adam is all but blind to it.

        Examples
        --------
        >>> from examples.hgn_pose.training import TrainingOptions
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
        return {**asdict(self), "lambda_pose": pose, "lambda_mesh": mesh}

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """Learning rate of one step of one epoch that has ``steps`` steps.

        Examples
        --------
        >>> from examples.hgn_pose.training import TrainingOptions
        >>> TrainingOptions(learning_rate=1.0).rate(epoch=45, step=0, steps=10)
        0.81
        >>> TrainingOptions(learning_rate=1.0, schedule="cosine").rate(epoch=50, step=0, steps=10)
        0.5
        """
        if self.schedule == "step":
            return self.learning_rate * round(self.decay ** (epoch // self.decay_every), 12)
        done = (epoch + step / steps) / self.epochs
        return self.learning_rate * round((1 + math.cos(math.pi * done)) / 2, 12)


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch reached."""

    epoch: int
    loss: float
    pose_loss: float
    mesh_loss: float
    error: float | None
    """MPJPE on the test frames in millimetres; only watched, nothing is chosen by it."""


def pose_loss(
    outputs: tuple[Tensor, ...],
    batch: Batch,
    reduction: Literal["sum", "mean"],
) -> tuple[Tensor, Tensor]:
    """The two terms of the paper's equation 4, before their weights.

    Each term is the squared distance in square metres, summed (or averaged) over the nodes of a
    graph, and averaged over the samples of the batch. The second adds up the coarse meshes;
    samples whose body fit is poor count there as zero.

    Parameters
    ----------
    outputs : tuple of Tensor
        The pose, shape (B, 17, 3), and possibly one mesh for each of the batch's.
    batch : Batch
        The targets.
    reduction : {"sum", "mean"}
        Over the nodes.

    Returns
    -------
    pose, mesh : Tensor
        Scalars; the second is zero for a network without meshes.

    Raises
    ------
    ValueError
        When the network answers with another number of meshes than the batch has.
    """
    pose = _per_sample(outputs[0], batch.pose, reduction).mean()
    mesh = torch.zeros_like(pose)
    if len(outputs) > 1:
        if len(batch.meshes) != len(outputs) - 1:
            raise ValueError(
                f"the network answers with {len(outputs) - 1} meshes, the samples have "
                f"{len(batch.meshes)}; give it mesh targets or train with lambda_mesh = 0"
            )
        for predicted, true in zip(outputs[1:], batch.meshes, strict=True):
            mesh = mesh + (_per_sample(predicted, true, reduction) * batch.fitted).mean()
    return pose, mesh


def _per_sample(predicted: Tensor, true: Tensor, reduction: str) -> Tensor:  # [B]
    squared = (predicted - true).square().sum(dim=2)
    return squared.sum(dim=1) if reduction == "sum" else squared.mean(dim=1)


class Trainer:
    """A network in training, which can stop after any epoch and go on as if it had not.

    All randomness of an epoch is a function of the seed and the epoch's number. The state is
    therefore the weights, Adam's moments and the records so far, and nothing else.

    A step launches thousands of small kernels, and a GPU waits for their launches. So on CUDA
    devices a whole step, from the augmentation to the new weights, is recorded once and then
    replayed (:class:`~examples.hgn_pose.replay.Replay`). It computes the same.

    Parameters
    ----------
    model : nn.Module
        Takes 2D joints of shape (B, 17, 2) and returns a tuple: the pose, shape (B, 17, 3), and
        possibly the coarse meshes in the order of ``samples.meshes``.
    samples : Samples
        Training frames, on the device of ``model``.
    cameras : Cameras
        On the same device.
    options : TrainingOptions
        What to do.
    replay : bool
        Record and replay steps on CUDA devices. False for models that cannot be recorded, such
        as those that read a value back in the middle.

    Raises
    ------
    ValueError
        When the scene reaches a camera.
    """

    def __init__(
        self,
        model: nn.Module,
        samples: Samples,
        cameras: Cameras,
        options: TrainingOptions,
        *,
        replay: bool = True,
    ) -> None:
        check_in_view(samples, cameras, options.augmentation)
        self.model = model
        self.samples = samples
        self.cameras = cameras
        self.options = options
        self.on_cuda = samples.positions.device.type == "cuda"
        self.replay = replay and self.on_cuda
        rate: Any = options.learning_rate
        if self.on_cuda:  # a tensor, which a recorded step reads anew
            rate = torch.tensor(rate, device=samples.positions.device)
        self.optimizer = torch.optim.Adam(
            model.parameters(), lr=rate, capturable=self.on_cuda, fused=self.on_cuda
        )
        self.records: list[EpochRecord] = []

    @property
    def steps(self) -> int:
        """Steps of an epoch; the last batch may be smaller."""
        return math.ceil(
            len(self.samples) * self.samples.views(self.cameras) / self.options.batch_size
        )

    def fit(
        self,
        watch: Callable[[nn.Module], float] | None = None,
        after_epoch: Callable[[Trainer], None] | None = None,
        label: str = "training",
    ) -> list[EpochRecord]:
        """Train the remaining epochs behind a progress bar.

        Parameters
        ----------
        watch : callable, optional
            Takes the model and returns an error in millimetres to record after every epoch.
        after_epoch : callable, optional
            Takes this trainer; a place to save it.
        label : str
            Text before the bar.

        Returns
        -------
        list of EpochRecord
            One for every epoch so far.

        Raises
        ------
        FloatingPointError
            When the loss is no longer finite.
        """
        first = len(self.records)
        # Recorded anew in every call: restore() puts other tensors into Adam's state.
        step = Replay(self._step, self.options.batch_size) if self.replay else self._step
        with tqdm(
            total=self.options.epochs * self.steps,
            initial=first * self.steps,
            desc=label,
            unit="step",
            dynamic_ncols=True,
        ) as bar:
            for epoch in range(first, self.options.epochs):
                loss, pose, mesh = self._run_epoch(epoch, step, bar)
                if not math.isfinite(loss):
                    raise FloatingPointError(
                        f"the loss is {loss} after epoch {epoch + 1}; lower the learning rate"
                    )
                error = None if watch is None else watch(self.model)
                self.records.append(EpochRecord(epoch, loss, pose, mesh, error))
                shown = {"epoch": epoch + 1, "loss": f"{loss:.4f}"}
                bar.set_postfix(shown if error is None else {**shown, "test": f"{error:.1f} mm"})
                if after_epoch is not None:
                    after_epoch(self)
        return self.records

    def _run_epoch(
        self, epoch: int, step: Callable[..., Tensor], bar: tqdm
    ) -> tuple[float, float, float]:
        self.model.train()
        options = self.options
        device = self.samples.positions.device
        totals = torch.zeros(3, dtype=torch.float64, device=device)
        with torch.random.fork_rng([device] if self.on_cuda else []):
            seed = epoch_seed(options.seed, epoch)
            torch.manual_seed(seed)
            for number, draw in enumerate(self._draws(seed)):
                self._set_rate(options.rate(epoch, number, self.steps))
                totals += step(*draw) * len(draw[0])
                bar.update()
        totals /= len(self.samples) * self.samples.views(self.cameras)
        loss, pose, mesh = totals.tolist()
        return loss, pose, mesh

    def _step(self, *draw: Tensor) -> Tensor:  # [3]
        """One step of Adam; the loss and its two terms. Reads nothing back from the device."""
        options = self.options
        lambda_pose, lambda_mesh = options.lambdas()
        batch = self._batch(*draw)
        outputs = self.model(batch.image)
        if lambda_mesh == 0:
            outputs = outputs[:1]
        pose, mesh = pose_loss(outputs, batch, options.loss_reduction)
        loss = lambda_pose * pose + lambda_mesh * mesh
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), options.clip_norm)
        self.optimizer.step()
        return torch.stack([loss, pose, mesh]).detach()

    def _set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            if self.on_cuda:
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def _draws(self, seed: int) -> Iterator[tuple[Tensor, ...]]:
        """What each step of an epoch shows: every frame to every camera once, in random order.

        Yields frame, camera, heading, size and flip of the samples of one step. They are drawn on
        the CPU, so that every device trains on the same samples.
        """
        views = self.samples.views(self.cameras)
        size = self.options.batch_size
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.samples) * views, generator=generator)
        varied = [
            self.options.augmentation.draw(len(chosen), generator) for chosen in order.split(size)
        ]
        epoch = [
            order // views,
            order % views,
            torch.cat([variation.heading for variation in varied]),
            torch.cat([variation.size for variation in varied]),
            torch.cat([variation.flip for variation in varied]),
        ]
        device = self.samples.positions.device
        return zip(*(column.to(device).split(size) for column in epoch), strict=True)

    def _batch(
        self, frame: Tensor, camera: Tensor, heading: Tensor, size: Tensor, flip: Tensor
    ) -> Batch:
        variation = Variation(heading, size, flip)
        return make_batch(self.samples, self.cameras, frame, camera, variation)

    def tensors(self) -> dict[str, Tensor]:
        """Weights and Adam's state by name, for a file."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"adam.{key}.{name}"] = value
        return tensors

    def restore(self, tensors: dict[str, Tensor], records: list[EpochRecord]) -> None:
        """Go back to the state that :meth:`tensors` and ``records`` had."""
        device = self.samples.positions.device
        prefix = "model."
        self.model.load_state_dict(
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        )
        for name, parameter in self.model.named_parameters():
            suffix = f".{name}"
            state: dict[str, Any] = {}
            for key in ("step", "exp_avg", "exp_avg_sq"):
                if f"adam.{key}{suffix}" in tensors:
                    value = tensors[f"adam.{key}{suffix}"].clone()
                    on_cpu = key == "step" and not self.on_cuda
                    state[key] = value.cpu() if on_cpu else value.to(device)
            if state:
                self.optimizer.state[parameter] = state
        self.records = list(records)


def epoch_seed(seed: int, epoch: int) -> int:
    """A well-mixed 63-bit seed for one epoch."""
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))
