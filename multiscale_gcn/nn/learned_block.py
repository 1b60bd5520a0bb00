"""Blocks in training on a device: one function forward, and one backward."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.autograd.function import once_differentiable

from multiscale_gcn.ops.differentiable import DifferentiableFunction
from multiscale_gcn.ops.kernels.prepared import PreparedCalls
from multiscale_gcn.ops.learning import Step


class Learning:
    """A block as one step, and its calls."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.running = frozenset(step.running())
        self.forward_calls = PreparedCalls()
        self.backward_calls = PreparedCalls()


class LearnedBlock(DifferentiableFunction):
    """Of a block that learns, of its features, of what is added, and of all its tensors.

    What the normalisations keep running is updated in place.
    """

    @staticmethod
    def forward(
        ctx: Any, learning: Learning, x: Tensor, add: Tensor | None, *tensors: Tensor
    ) -> Tensor:
        def run() -> tuple[Tensor, ...]:
            y, kept = learning.step.forward(x, add, tensors)
            return (y, *kept)

        given = [x, *tensors] if add is None else [x, add, *tensors]
        y, *kept = learning.forward_calls(run, given, add is None)
        ctx.learning = learning
        ctx.places = [k for k in range(len(tensors)) if k not in learning.running]
        ctx.save_for_backward(x, *kept, *(tensors[k] for k in ctx.places))
        ctx.count = (len(kept), len(tensors))
        result: Tensor = y
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        learning: Learning = ctx.learning
        count, total = ctx.count
        x, *rest = saved = ctx.saved_tensors
        _, for_x, for_add, *for_tensors = ctx.needs_input_grad
        needs = {k for k, need in enumerate(for_tensors) if need}
        order = sorted(needs)

        def run() -> tuple[Tensor, ...]:
            tensors: list[Any] = [None] * total
            for k, tensor in zip(ctx.places, rest[count:], strict=True):
                tensors[k] = tensor
            found, gradients = learning.step.backward(gradient, x, tensors, rest[:count], needs)
            return (found, *(gradients[k] for k in order))

        found, *gradients = learning.backward_calls(run, [gradient, *saved], tuple(order))
        result: list[Tensor | None] = [None] * total
        for k, g in zip(order, gradients, strict=True):
            result[k] = g
        return (None, found if for_x else None, gradient if for_add else None, *result)
