"""Blocks in training on a device: one function forward, and one backward."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.autograd.function import once_differentiable

from multiscale_gcn.ops.differentiable import DifferentiableFunction
from multiscale_gcn.ops.kernels.prepared import PreparedCalls
from multiscale_gcn.ops.kernels.side_streams import is_recorded, parted
from multiscale_gcn.ops.learning import Step


class Learning:
    """A block as one step, and its calls."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.running = frozenset(step.running())
        self.forward_calls = PreparedCalls()
        self.backward_calls = PreparedCalls()


class LearnedBlock(DifferentiableFunction):
    """Of a step, the number of its inputs, the inputs, and all tensors of the block.

    What the normalisations keep running is updated in place.
    """

    @staticmethod
    def forward(ctx: Any, learning: Learning, count: int, *given: Tensor) -> Any:
        inputs, tensors = given[:count], given[count:]

        def run() -> tuple[Tensor, ...]:
            outputs, kept = learning.step.forward(inputs, tensors)
            return (*outputs, *kept)

        found = learning.forward_calls(run, given, count)
        made = learning.step.outputs(count)
        running = learning.running
        ctx.learning, ctx.count, ctx.total = learning, count, len(tensors)
        ctx.places = [k for k in range(len(tensors)) if k not in running]
        ctx.save_for_backward(*inputs, *(tensors[k] for k in ctx.places), *found[made:])
        return found[0] if made == 1 else found[:made]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _backward(ctx, gradients)


def _backward(ctx: Any, gradients: tuple[Tensor, ...]) -> tuple[Tensor | None, ...]:
    learning: Learning = ctx.learning
    count, total, places = ctx.count, ctx.total, ctx.places
    saved = ctx.saved_tensors
    # Inputs have negative places: the first has -count.
    order = [k - count for k, need in enumerate(ctx.needs_input_grad[2:]) if need]

    def run() -> tuple[Tensor, ...]:
        tensors: list[Any] = [None] * total
        behind = count + len(places)
        for k, tensor in zip(places, saved[count:behind], strict=True):
            tensors[k] = tensor
        of_inputs, found = learning.step.backward(
            gradients, saved[:count], tensors, saved[behind:], frozenset(order)
        )
        found |= {k - count: g for k, g in enumerate(of_inputs)}
        return tuple(found[k] for k in order)

    if is_recorded(gradients[0]):
        with parted(gradients[0].device):
            wanted = run()
    else:
        wanted = learning.backward_calls(run, [*gradients, *saved], (count, *order))
    result: list[Tensor | None] = [None] * (count + total)
    for k, g in zip(order, wanted, strict=True):
        result[k + count] = g
    return (None, None, *result)
