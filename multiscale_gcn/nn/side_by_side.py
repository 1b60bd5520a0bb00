"""Parts of a network that do not wait for each other, side by side in a recording."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from multiscale_gcn.nn.layer_calls import Place, is_known, step_of
from multiscale_gcn.ops.differentiable import DifferentiableFunction
from multiscale_gcn.ops.kernels.side_streams import at_once, is_recorded, parted
from multiscale_gcn.ops.learned_stage import Stage
from multiscale_gcn.ops.learning import ResidualStep


def side_by_side(parts: Sequence[nn.Module], inputs: Sequence[Tensor]) -> list[Tensor]:
    """What each part makes of its input: one after the other, or at once in a recording.

    Parameters
    ----------
    parts : sequence of nn.Module
    inputs : sequence of Tensor
        One for each part.

    Returns
    -------
    list of Tensor
    """
    learned = learned_stage(parts, inputs)
    if learned is not None:
        return learned
    in_turn = [partial(part, x) for part, x in zip(parts, inputs, strict=True)]
    if _may_part(parts, inputs):
        with parted(inputs[0].device):
            return at_once(in_turn)
    return [part() for part in in_turn]


def _may_part(parts: Sequence[nn.Module], inputs: Sequence[Tensor]) -> bool:
    """Whether parts in evaluation are recorded, and have nothing that is written in common."""
    if not inputs or torch.is_grad_enabled() or not is_recorded(inputs[0]):
        return False
    modules = [module for part in parts for module in part.modules()]
    return (
        not any(module.training for module in modules)
        and len(set(map(id, modules))) == len(modules)
        and _is_plain(nn.ModuleList(parts))
    )


def _is_plain(layer: nn.Module) -> bool:
    compiled = any(module._compiled_call_impl is not None for module in layer.modules())
    return not compiled and is_known(layer)


def learned_stage(
    parts: Sequence[nn.Module],
    inputs: Sequence[Tensor],
    fusion: nn.Module | None = None,
    scales: Sequence[int] = (),
) -> list[Tensor] | None:
    """What parts that learn make of their inputs in a recording, as one function.

    Parameters
    ----------
    parts, inputs
        As there.
    fusion : nn.Module, optional
        Takes a list of results and gives one.
    scales : sequence of int
        Places of what it takes, and gives anew, among the results.

    Returns
    -------
    list of Tensor, or None
        None if nothing is recorded, or kernels do not take all of it.
    """
    if not inputs or not torch.is_grad_enabled() or not is_recorded(inputs[0]):
        return None
    layer = nn.ModuleList(parts if fusion is None else [*parts, fusion])
    if not (all(module.training for module in layer.modules()) and _is_plain(layer)):
        return None

    def as_stage(place: Place) -> Stage | None:
        ways: list[Any] = [getattr(module, "_as_step", None) for module in layer]
        steps: list[Any] = [None if as_step is None else as_step(place) for as_step in ways]
        if None in steps:
            return None
        of_fusion = None if fusion is None else steps.pop()
        if of_fusion is not None and not all(isinstance(step, ResidualStep) for step in steps):
            return None
        stage = Stage(tuple(steps), of_fusion, tuple(scales))
        running = stage.running()
        return stage if len(set(running)) == len(running) else None

    found = step_of(layer, as_stage, inputs)
    if found is None:
        return None
    stage, tensors = found
    return list(LearnedStage.apply(stage, len(inputs), *inputs, *tensors))


class LearnedStage(DifferentiableFunction):
    """Of a stage, the number of its inputs, the inputs, and all tensors of the stage.

    It is one function, so that PyTorch sees one stream. What the normalisations keep running is
    updated in place.
    """

    @staticmethod
    def forward(ctx: Any, stage: Stage, count: int, *given: Tensor) -> tuple[Tensor, ...]:
        inputs, tensors = given[:count], given[count:]
        with parted(inputs[0].device):
            results, kept = stage.forward(inputs, tensors)
        running = frozenset(stage.running())
        ctx.stage, ctx.count, ctx.total = stage, count, len(tensors)
        ctx.places = [k for k in range(len(tensors)) if k not in running]
        ctx.kept = [len(each) for each in kept]
        ctx.save_for_backward(
            *inputs, *(tensors[k] for k in ctx.places), *(x for each in kept for x in each)
        )
        ctx.set_materialize_grads(False)
        return tuple(results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        stage, count, total, places = ctx.stage, ctx.count, ctx.total, ctx.places
        saved = ctx.saved_tensors
        needs = frozenset(k - count for k, need in enumerate(ctx.needs_input_grad[2:]) if need)
        tensors: list[Any] = [None] * total
        behind = count + len(places)
        for k, tensor in zip(places, saved[count:behind], strict=True):
            tensors[k] = tensor
        ends = accumulate(ctx.kept, initial=behind)
        kept = [saved[begin:end] for begin, end in pairwise(ends)]
        with parted(saved[0].device):
            of_inputs, found = stage.backward(gradients, saved[:count], tensors, kept, needs)
        wanted = [found.get(k) if k in needs else None for k in range(total)]
        reached = [g if k - count in needs else None for k, g in enumerate(of_inputs)]
        return (None, None, *reached, *wanted)
