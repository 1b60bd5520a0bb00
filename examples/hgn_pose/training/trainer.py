"""Train a pose network: one reproducible epoch after another."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.network.precision import keep_in_float32
from examples.hgn_pose.network.settling_norm import SettlingBatchNorm
from examples.hgn_pose.samples.augmentation import Variation
from examples.hgn_pose.samples.batches import Batch, input_shape
from examples.hgn_pose.samples.sample_set import SampleSet
from examples.hgn_pose.training.distributed import SharedStep, check_shares, share_statistics
from examples.hgn_pose.training.loss import pose_loss
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.processes import ALONE, Team
from examples.hgn_pose.training.randomness import Randomness
from multiscale_gcn.nn import RecordedStep


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch reached."""

    epoch: int
    loss: float
    pose_loss: float
    mesh_loss: float
    error: float | None
    """MPJPE on the measured frames in millimetres; only watched, unless ``keep = best``."""

    def shown(self) -> dict[str, str]:
        """For a progress bar."""
        shown = {"epoch": str(self.epoch + 1), "loss": f"{self.loss:.4f}"}
        return shown if self.error is None else {**shown, "test": f"{self.error:.1f} mm"}


class Trainer:
    """A network in training, which can stop after any epoch and go on as if it had not.

    All randomness of an epoch is a function of the seed and the epoch's number. The state is
    therefore the weights, their running mean if one is kept, Adam's moments and the records so far,
    and nothing else.

    A step launches thousands of small kernels, and a GPU waits for their launches. So on CUDA
    devices a whole step, from the augmentation to the new weights, is recorded once and then
    replayed (:class:`~multiscale_gcn.nn.RecordedStep`). It computes the same.

    Parameters
    ----------
    model : nn.Module
        Takes 2D joints of shape (B, 17, 2), or (B, T, 17, 2) where the samples are clips, and
        returns a tuple: the pose, shape (B, 17, 3), and possibly the coarse meshes in the order of
        ``samples.meshes``.
    samples : SampleSet
        Training frames, on the device of ``model``.
    cameras : Cameras
        On the same device.
    options : TrainingOptions
        What to do.
    replay : bool
        Record and replay steps on CUDA devices. False for models that cannot be recorded, such
        as those that read a value back in the middle.
    ends : sequence of nn.Module
        Layers of ``model`` that compute in float32 where ``options.bf16`` lets the others compute
        in bfloat16.
    team : Team
        The processes that train this network together; this one is alone by default.

    Raises
    ------
    ValueError
        When the scene reaches a camera, or when a batch has fewer samples than there are processes.
    """

    def __init__(
        self,
        model: nn.Module,
        samples: SampleSet,
        cameras: Cameras,
        options: TrainingOptions,
        *,
        replay: bool = True,
        ends: Sequence[nn.Module] = (),
        team: Team = ALONE,
    ) -> None:
        samples.check_in_view(cameras, options.augmentation)
        check_shares(options.batch_size, len(samples) * samples.views(cameras), team)
        self.model = model
        self.samples = samples
        self.cameras = cameras
        self._per_epoch = math.ceil(len(samples) * samples.views(cameras) / options.batch_size)
        self.options = options.lasting(self._per_epoch)
        self.average: nn.Module | None = copy.deepcopy(model) if options.average else None
        if options.bf16:
            for end in ends:
                keep_in_float32(end)
        self.on_cuda = samples.device.type == "cuda"
        self.replay = replay and self.on_cuda
        rate: Any = options.learning_rate
        if self.on_cuda:  # a tensor, which a recorded step reads anew
            rate = torch.tensor(rate, device=samples.device)
        settings: dict[str, Any] = {
            "lr": rate,
            "capturable": self.on_cuda,
            "fused": self.on_cuda,
        }
        self.optimizer: torch.optim.Adam = (
            torch.optim.AdamW(model.parameters(), weight_decay=options.weight_decay, **settings)
            if options.weight_decay
            else torch.optim.Adam(model.parameters(), **settings)
        )
        self.records: list[EpochRecord] = []
        self._varied = tuple(self._draw(1, torch.Generator()).tensors())
        self._best: dict[str, Tensor] = {}
        self.team = team
        self.shared = SharedStep(
            model,
            team,
            samples.device,
            recorded=self.replay,
            outputs=1 if options.lambdas()[1] == 0 else None,
            unused=not team.alone and len(self._trained()) < len(list(model.parameters())),
        )
        self.so_far = torch.zeros(3, dtype=torch.float64, device=samples.device)
        """Sums, over this process's samples of this epoch, of the loss and its two terms."""

    @property
    def kept_epoch(self) -> int:
        """The epoch whose weights the run ends with, counted from 0."""
        if self.options.keep == "last":
            return len(self.records) - 1
        errors = [math.inf if record.error is None else record.error for record in self.records]
        return int(np.argmin(errors))

    def take_kept(self) -> None:
        """Give the result the weights that the run ends with."""
        if self._best:
            self.result.load_state_dict(self._best)

    @property
    def steps(self) -> int:
        """Steps of an epoch; the last batch may be smaller."""
        return self._per_epoch

    @property
    def result(self) -> nn.Module:
        """What training has come to: the running mean of the weights, or the last ones."""
        return self.model if self.average is None else self.average

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
        with self.progress(label) as bar:
            for record in self.steps_to_go(watch, after_epoch):
                bar.update()
                if record is not None:
                    bar.set_postfix(record.shown())
        return self.records

    def progress(self, label: str) -> tqdm:
        """A bar of all steps, at those that are behind."""
        return tqdm(
            total=self.options.epochs * self.steps,
            initial=len(self.records) * self.steps,
            desc=label,
            unit="step",
            dynamic_ncols=True,
            disable=None,
        )

    def steps_to_go(
        self,
        watch: Callable[[nn.Module], float] | None = None,
        after_epoch: Callable[[Trainer], None] | None = None,
    ) -> Iterator[EpochRecord | None]:
        """Train the remaining epochs, a step at a time, so that others may take theirs in between.

        Parameters
        ----------
        watch, after_epoch
            As in :meth:`fit`.

        Yields
        ------
        EpochRecord or None
            After every step; the record after the last step of an epoch.

        Raises
        ------
        FloatingPointError
            When the loss is no longer finite.
        ValueError
            When the best epoch shall be kept and nothing is watched.
        """
        if self.options.keep == "best" and watch is None:
            raise ValueError("keep = best needs an error to be the best by; watch one")
        # Recorded anew in every call: restore() puts other tensors into Adam's state.
        step = RecordedStep(self._step) if self.replay else self._step
        randomness = Randomness(self.samples.device, self.options.seed)
        for epoch in range(len(self.records), self.options.epochs):
            totals = yield from self._run_epoch(epoch, step, randomness)
            loss, pose, mesh = totals.tolist()
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss} after epoch {epoch + 1}; lower the learning rate"
                )
            error = None if watch is None else watch(self.result)
            self.records.append(EpochRecord(epoch, loss, pose, mesh, error))
            if self.options.keep == "best" and self.kept_epoch == epoch:
                state = self.result.state_dict()
                self._best = {name: value.clone() for name, value in state.items()}
            if after_epoch is not None:
                after_epoch(self)
            yield self.records[-1]

    def _run_epoch(
        self, epoch: int, step: Callable[..., Tensor], randomness: Randomness
    ) -> Generator[None, None, Tensor]:  # [3]: means of the loss and its two terms
        self.model.train()
        options = self.options
        for module in self.model.modules():
            if isinstance(module, SettlingBatchNorm):
                module.settle(epoch / options.epochs)
        totals = self.so_far.zero_()
        seed = epoch_seed(options.seed, epoch)
        randomness.begin_at(epoch_seed(options.seed, epoch, self.team.rank))
        for number, draw in enumerate(self._draws(seed)):
            self._set_rate(options.rate(epoch, number, self.steps))
            share = self.shared.share(draw)
            whole = len(draw[0]) == options.batch_size
            with randomness:
                totals += (step if whole else self._step)(*share) * len(share[0])
            if number < self.steps - 1:
                yield None
        self.team.add_up(totals)
        if options.batch_norm == "local":
            models = [self.model] if self.average is None else [self.model, self.average]
            share_statistics(models, self.team)
        return totals / (len(self.samples) * self.samples.views(self.cameras))

    def _step(self, *draw: Tensor) -> Tensor:  # [3]
        """One step of Adam; the loss and its two terms. Reads nothing back from the device."""
        options = self.options
        lambda_pose, lambda_mesh = options.lambdas()
        batch = self._batch(*draw)
        with torch.autocast(batch.image.device.type, torch.bfloat16, enabled=options.bf16):
            outputs = self.shared.network(batch.image)
        pose, mesh = pose_loss(outputs, batch, options.loss_reduction)
        loss = lambda_pose * pose + lambda_mesh * mesh
        self.optimizer.zero_grad()
        self.shared.backward(loss)
        nn.utils.clip_grad_norm_(self.model.parameters(), options.clip_norm)
        self.optimizer.step()
        if self.average is not None:
            _approach(self.average, self.model, 1 - options.average)
        return torch.stack([loss, pose, mesh]).detach()

    def _set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            if self.on_cuda:
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def _draws(self, seed: int) -> Iterator[tuple[Tensor, ...]]:
        """What each step of an epoch shows: every frame to every camera once, in random order.

        Yields row, view and the tensors of the variation of the samples of one step. They are
        drawn on the CPU, so that every device trains on the same samples.
        """
        views = self.samples.views(self.cameras)
        size = self.options.batch_size
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.samples) * views, generator=generator)
        varied = [self._draw(len(chosen), generator) for chosen in order.split(size)]
        variation = Variation.joined(varied).tensors()
        epoch = [order // views, order % views, *variation.values()]
        device = self.samples.device
        return zip(*(column.to(device).split(size) for column in epoch), strict=True)

    def _draw(self, count: int, generator: torch.Generator) -> Variation:
        return self.options.augmentation.draw(count, generator, clips=self.samples.frames > 1)

    def _batch(self, row: Tensor, view: Tensor, *varied: Tensor) -> Batch:
        variation = Variation.of(dict(zip(self._varied, varied, strict=True)))
        return self.samples.batch(self.cameras, row, view, variation)

    def tensors(self) -> dict[str, Tensor]:
        """Weights, their running mean and Adam's state by name, for a file."""
        tensors = self._weights()
        tensors |= {f"best.{name}": value for name, value in self._best.items()}
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"adam.{key}.{name}"] = value
        return tensors

    def template(self, epochs: int) -> dict[str, Tensor]:
        """Tensors of the names, shapes and types that :meth:`tensors` has after so many epochs."""
        tensors = self._weights()
        if epochs:
            if self.options.keep == "best":
                state = self.model.state_dict()
                tensors |= {f"best.{name}": value for name, value in state.items()}
            for name, parameter in self._trained().items():
                tensors[f"adam.step.{name}"] = torch.zeros(())
                tensors[f"adam.exp_avg.{name}"] = parameter
                tensors[f"adam.exp_avg_sq.{name}"] = parameter
        return tensors

    def _weights(self) -> dict[str, Tensor]:
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        if self.average is not None:
            mean = self.average.state_dict()
            tensors |= {f"average.{name}": value for name, value in mean.items()}
        return tensors

    def _trained(self) -> dict[str, Tensor]:
        """The parameters that the loss depends on: Adam keeps nothing of the others."""
        named = dict(self.model.named_parameters())
        training = self.model.training
        self.model.eval()
        outputs = self.model(
            torch.zeros(1, *input_shape(self.samples.frames), device=self.samples.device)
        )
        if self.options.lambdas()[1] == 0:
            outputs = outputs[:1]
        total = torch.cat([output.flatten() for output in outputs]).sum()
        slopes = torch.autograd.grad(total, list(named.values()), allow_unused=True)
        self.model.train(training)
        pairs = zip(named.items(), slopes, strict=True)
        return {name: value for (name, value), slope in pairs if slope is not None}

    def restore(self, tensors: dict[str, Tensor], records: list[EpochRecord]) -> None:
        """Go back to the state that :meth:`tensors` and ``records`` had."""
        device = self.samples.device
        self.model.load_state_dict(_named("model.", tensors))
        if self.average is not None:
            self.average.load_state_dict(_named("average.", tensors))
        self._best = {k: v.clone().to(device) for k, v in _named("best.", tensors).items()}
        for name, parameter in self.model.named_parameters():
            if f"adam.step.{name}" not in tensors:
                continue
            state: dict[str, Any] = {}
            for key in ("step", "exp_avg", "exp_avg_sq"):
                value = tensors[f"adam.{key}.{name}"].clone()
                on_cpu = key == "step" and not self.on_cuda
                state[key] = value.cpu() if on_cpu else value.to(device)
            self.optimizer.state[parameter] = state
        self.records = list(records)


def _named(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


@torch.no_grad()
def _approach(average: nn.Module, model: nn.Module, share: float) -> None:
    """Move a running mean of weights, and of running statistics, by a share towards a model's."""
    pairs = zip(average.state_dict().values(), model.state_dict().values(), strict=True)
    moved = [(mean, value) for mean, value in pairs if mean.is_floating_point()]
    torch._foreach_lerp_([mean for mean, _ in moved], [value for _, value in moved], share)


def epoch_seed(seed: int, epoch: int, rank: int = 0) -> int:
    """A well-mixed 63-bit seed for one epoch, and for the dropout of one process in it."""
    entropy = [seed, epoch, rank] if rank else [seed, epoch]
    state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))
