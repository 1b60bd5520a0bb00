"""Blocks that do not wait for each other, and the maps between them, as one step of a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from multiscale_gcn.ops.kernels.side_streams import at_once
from multiscale_gcn.ops.learning import FusionStep, Gradients, Step

Made = tuple[list[Tensor], list[Tensor]]
"""Results, and what the gradient needs besides."""


@dataclass(frozen=True, eq=False)
class Stage:
    """Steps of one input and one result, and a fusion of some of the results.

    With a fusion, results are like the inputs.
    """

    parts: tuple[Step, ...]
    fusion: FusionStep | None
    scales: tuple[int, ...]
    """Places among the results that the fusion reads and gives anew."""

    def takes(self, inputs: Sequence[Tensor], t: Sequence[Tensor]) -> bool:
        """Whether each of the parts does, and the fusion takes what is like their inputs."""
        return all(part.takes([x], t) for part, x in zip(self.parts, inputs, strict=True)) and (
            self.fusion is None or self.fusion.takes([inputs[k] for k in self.scales], t)
        )

    def running(self) -> tuple[int, ...]:
        """Places of what is updated in place, and which no gradient needs."""
        return sum((part.running() for part in self.parts), ())

    def forward(
        self, inputs: Sequence[Tensor], t: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[list[Tensor]]]:
        """The results; and what the gradient needs, of each part and of the fusion."""
        made: list[Made] = at_once(
            [partial(part.forward, [x], t) for part, x in zip(self.parts, inputs, strict=True)]
        )
        results = [result for (result,), _ in made]
        read: list[Tensor] = []
        if self.fusion is not None:
            read = [results[k] for k in self.scales]
            fused, _ = self.fusion.forward(read, t)
            for k, result in zip(self.scales, fused, strict=True):
                results[k] = result
        return results, [*(kept for _, kept in made), read]

    def backward(
        self,
        gradients: Sequence[Tensor | None],
        inputs: Sequence[Tensor],
        t: Sequence[Tensor],
        kept: Sequence[Sequence[Tensor]],
        needs: frozenset[int],
    ) -> tuple[list[Tensor | None], Gradients]:
        """Of the inputs, at negative places of ``needs``, and of those of ``t``.

        Where nobody asked for a result there is no gradient behind it either.
        """
        ups, found = list(gradients), Gradients()
        of_results = [gradients[k] for k in self.scales]
        if self.fusion is not None and any(up is not None for up in of_results):
            given = [
                torch.zeros_like(x) if up is None else up
                for up, x in zip(of_results, kept[-1], strict=True)
            ]
            of_fused, found = self.fusion.backward(given, kept[-1], t, (), needs)
            for k, of_result in zip(self.scales, of_fused, strict=True):
                ups[k] = of_result
        tasks: list[Callable[[], tuple[list[Tensor], Gradients]]] = []
        reached: list[int] = []
        for k, up in enumerate(ups):
            if up is None:
                continue
            own = {-1} if k - len(inputs) in needs else set()
            needed = frozenset(place for place in needs if place >= 0) | own
            reached.append(k)
            tasks.append(partial(self.parts[k].backward, [up], [inputs[k]], t, kept[k], needed))
        of_inputs: list[Tensor | None] = [None] * len(inputs)
        for k, ((of_input,), more) in zip(reached, at_once(tasks), strict=True):
            of_inputs[k] = of_input
            found = found | more
        return of_inputs, found
