"""One network on several processes: each computes its share of a batch, and all take one step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from examples.hgn_pose.training.processes import Team

Draw = tuple[Tensor, ...]


class SharedStep:
    """What a step of several processes does beside that of one.

    Gradients are means over the whole batch, whoever saw which part of it. PyTorch's
    DistributedDataParallel takes them while the backward pass runs. A step that is recorded as a
    CUDA graph takes them at its end, in one call, which the recording holds too.

    Parameters
    ----------
    model : nn.Module
        With the same weights in all processes.
    team : Team
    device : torch.device
        Of the model.
    recorded : bool
        Whether the step is recorded.
    outputs : int, optional
        How many of the model's outputs the loss depends on; all by default.
    unused : bool
        Whether some parameters get no gradient.
    """

    def __init__(
        self,
        model: nn.Module,
        team: Team,
        device: torch.device,
        *,
        recorded: bool,
        outputs: int | None,
        unused: bool,
    ) -> None:
        self.team = team
        self.network: Callable[[Tensor], tuple[Tensor, ...]] = _First(model, outputs)
        self._parameters = list(model.parameters())
        self._by_itself = recorded or team.alone
        if not self._by_itself:
            self.network = DistributedDataParallel(
                _First(model, outputs),
                process_group=team.group,
                find_unused_parameters=unused,
                **_LEAVE_BUFFERS,
            )
        # In a tensor, which a recorded step reads anew.
        self._weight = torch.ones((), device=device)

    def share(self, draw: Draw) -> Draw:
        """This process's part of a batch, which the next backward pass weighs by its size."""
        if self.team.alone:
            return draw
        part = tuple(self.team.share(column) for column in draw)
        self._weight.fill_(self.team.size * len(part[0]) / len(draw[0]))
        return part

    def backward(self, loss: Tensor) -> None:
        """Leave the gradient of the whole batch's mean loss in the parameters of every process.

        Parameters
        ----------
        loss : Tensor
            The mean over this process's share.
        """
        if self.team.alone:
            loss.backward()
            return
        (loss * self._weight).backward()
        if self._by_itself:
            self._take_means([p.grad for p in self._parameters if p.grad is not None])

    def _take_means(self, gradients: list[Tensor]) -> None:
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        self.team.add_up(flat)
        flat /= self.team.size
        parts = flat.split([gradient.numel() for gradient in gradients])
        pairs = zip(parts, gradients, strict=True)
        torch._foreach_copy_(gradients, [part.view_as(gradient) for part, gradient in pairs])


def _what_leaves_buffers() -> dict[str, Any]:
    """Running statistics are no business of DistributedDataParallel; its option has two names."""
    names = inspect.signature(DistributedDataParallel.__init__).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
    return {name: False}


_LEAVE_BUFFERS = _what_leaves_buffers()


def check_shares(batch_size: int, samples: int, team: Team) -> None:
    """Refuse batches of which a process would get nothing.

    Raises
    ------
    ValueError
    """
    last = samples % batch_size or batch_size
    if min(batch_size, last) < team.size:
        raise ValueError(
            f"batch_size = {batch_size} leaves {last} of {samples} samples for the last batch, too "
            f"few for {team.size} processes; give another batch_size, or start fewer processes"
        )


class _First(nn.Module):
    """The first outputs of a model, so that no others wait for a gradient."""

    def __init__(self, model: nn.Module, outputs: int | None) -> None:
        super().__init__()
        self.model = model
        self.outputs = outputs

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        answers: tuple[Tensor, ...] = self.model(image)
        return answers[: self.outputs]


class Spread(nn.Module):
    """A network whose evaluation is shared: each process answers a part, and all get all answers.

    Parameters
    ----------
    model : nn.Module
        Takes a tensor of shape (B, ...) and returns a tuple of such; no sample's answer depends on
        another one, as is so in evaluation. Its weights are the same in all processes.
    team : Team
    """

    def __init__(self, model: nn.Module, team: Team) -> None:
        super().__init__()
        self.model = model
        self.team = team

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """The answers to all of a batch that every process gives."""
        missing = -len(image) % self.team.size
        filled = torch.cat([image, image[:1].expand(missing, *image.shape[1:])])
        answers = self.model(self.team.share(filled))
        return tuple(self.team.gather(answer)[: len(image)] for answer in answers)


def spread(model: nn.Module, team: Team) -> nn.Module:
    """The network as it is for one process, shared for several."""
    return model if team.alone else Spread(model, team)


# ------------------------------------------------------------------------------- normalisation


def synchronise_norms(model: nn.Module, team: Team, device: torch.device) -> nn.Module:
    """Let batch normalisation see the whole batch: the result is that of one process, to rounding.

    Parameters
    ----------
    model : nn.Module
    team : Team
    device : torch.device
        Of the model. PyTorch's SyncBatchNorm runs on accelerators alone; elsewhere
        :class:`SynchronisedNorm` does the same.

    Returns
    -------
    nn.Module
        The model, whose normalisations have changed their kind and kept their weights.
    """
    if team.alone:
        return model
    if device.type == "cuda":
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model, team.group)
        return converted
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm1d:
                setattr(module, name, SynchronisedNorm(child, team))
    return model


class SynchronisedNorm(nn.BatchNorm1d):
    """Batch normalisation over the rows of all processes, in PyTorch's own operations.

    Parameters
    ----------
    norm : nn.BatchNorm1d
        Whose weights and running statistics it takes over.
    team : Team
    """

    def __init__(self, norm: nn.BatchNorm1d, team: Team) -> None:
        super().__init__(
            norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
        )
        self.__dict__.update(_parameters=norm._parameters, _buffers=norm._buffers)
        self.training = norm.training
        self.team = team

    def forward(
        self,
        x: Tensor,  # [R, C] or [R, C, L]
    ) -> Tensor:
        """The normalised rows of this process."""
        if not self.training:
            return super().forward(x)
        x = x.transpose(1, -1)  # [..., C]
        over = list(range(x.dim() - 1))
        count = torch.tensor(float(x.numel() // x.shape[-1]), device=x.device)
        self.team.add_up(count)
        mean = _SumOverProcesses.apply(x.sum(over), self.team) / count
        centred = x - mean
        squares = _SumOverProcesses.apply(centred.square().sum(over), self.team)
        with torch.no_grad():
            self._keep(mean, squares / (count - 1))
        y = centred / (squares / count + self.eps).sqrt()
        if self.affine:
            y = y * self.weight + self.bias
        return y.transpose(1, -1)

    def _keep(self, mean: Tensor, variance: Tensor) -> None:
        if self.num_batches_tracked is None or self.running_mean is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        for kept, now in ((self.running_mean, mean), (self.running_var, variance)):
            if kept is not None:
                kept.lerp_(now, share)


class _SumOverProcesses(torch.autograd.Function):
    """Every process's loss depends on the sum, so its gradient is the sum of all of theirs."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, team: Team) -> Tensor:
        ctx.team = team
        total = values.clone()
        team.add_up(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.clone()
        ctx.team.add_up(total)
        return total, None


def share_statistics(models: Iterable[nn.Module], team: Team) -> None:
    """Take means of the running statistics over processes that normalise each on its own."""
    if team.alone:
        return
    for model in models:
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                for statistic in (module.running_mean, module.running_var):
                    if statistic is not None:
                        team.add_up(statistic)
                        statistic /= team.size
