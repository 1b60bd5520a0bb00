"""Blocks in training on a device, forward and backward as one function each.

A step is a part of a block, with the places of its tensors in one list. ``forward`` gives the
result and what the gradient needs besides; ``backward`` takes that and gives the gradients by
their places. Steps are put together by hand, so that nothing of autograd lies between them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from multiscale_gcn.ops import selection
from multiscale_gcn.ops.batch_norm import on_cuda as batch_norm
from multiscale_gcn.ops.fusion import on_cuda as fusion
from multiscale_gcn.ops.fusion.division import MOST_SCALES, Scales
from multiscale_gcn.ops.graph_convolution import on_cuda as graph_convolution
from multiscale_gcn.ops.joined_map import on_cuda as joined_map
from multiscale_gcn.ops.kernels.number_types import real_type
from multiscale_gcn.ops.kernels.side_streams import beside
from multiscale_gcn.ops.layout import by_node
from multiscale_gcn.ops.nonlocal_attention import block_on_cuda as attention
from multiscale_gcn.ops.nonlocal_attention.on_cuda import MOST_BLOCK_NODES
from multiscale_gcn.ops.nonlocal_attention.walks_on_cuda import parts_of
from multiscale_gcn.ops.row_products.division import Pair
from multiscale_gcn.ops.row_products.on_cuda import row_products, takes_row_products
from multiscale_gcn.ops.selection import OperatorCase, select_form

Gradients = dict[int, Tensor]
"""By the places of what they are of."""


def _rows(x: Tensor) -> Tensor:  # [B, N, C] -> [N B, C]
    return by_node(x).flatten(0, 1)


def _features(rows: Tensor, like: Tensor) -> Tensor:  # [N B, C] -> [B, N, C]
    batch, nodes = like.shape[:2]
    return rows.view(nodes, batch, -1).transpose(0, 1)


def _of_one_type(*tensors: Tensor) -> bool:
    return len({tensor.dtype for tensor in tensors}) == 1


def _on_kernels(operator: str, x: Tensor, channels: int, entries: int = 1) -> bool:
    case = OperatorCase(x.device, x.dtype, x.shape[1], x.shape[2], channels, entries)
    return select_form(operator, case, "auto").name == "cupy"


class Step(ABC):
    """A part of a block. Steps are equal if they are one."""

    def outputs(self, inputs: int) -> int:
        """How many results there are, of so many inputs."""
        return 1

    @abstractmethod
    def running(self) -> tuple[int, ...]:
        """Places of what is updated in place, and which no gradient needs."""

    @abstractmethod
    def takes(self, inputs: Sequence[Tensor], t: Sequence[Tensor]) -> bool:
        """Whether kernels run for these inputs, and all fits."""

    @abstractmethod
    def forward(
        self, inputs: Sequence[Tensor], t: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The results, and what the gradient needs besides the inputs and ``t``."""

    @abstractmethod
    def backward(
        self,
        gradients: Sequence[Tensor],
        inputs: Sequence[Tensor],
        t: Sequence[Tensor],
        kept: Sequence[Tensor],
        needs: frozenset[int],
    ) -> tuple[list[Tensor], Gradients]:
        """Of the inputs, and of those of ``t`` whose places are in ``needs``."""


@dataclass(frozen=True, eq=False)
class Norm:
    """Places of the tensors of a batch normalisation, and its numbers."""

    weight: int
    bias: int
    mean: int
    variance: int
    batches: int
    momentum: float
    epsilon: float

    def running(self) -> tuple[int, ...]:
        return (self.mean, self.variance, self.batches)

    def takes(self, x: Tensor, t: Sequence[Tensor]) -> bool:
        """Of several rows, with statistics of the type that the kernels keep."""
        wide = real_type(x.dtype)
        return (
            x.shape[0] * x.shape[1] > 1
            and all(t[place].dtype == wide for place in (self.mean, self.variance))
            and _on_kernels("batch_norm", x, t[self.weight].shape[0])
        )

    def forward(
        self, h: Tensor, add: Tensor | None, t: Sequence[Tensor], relu: bool
    ) -> tuple[Tensor, Tensor]:
        """The result and the statistics."""
        learned = (t[self.weight], t[self.bias])
        running = (t[self.mean], t[self.variance], t[self.batches], self.momentum)
        y, statistics = batch_norm.FORWARD(h, *learned, add, *running, self.epsilon, relu)
        return y, statistics

    def backward(
        self,
        gradient: Tensor,
        h: Tensor,
        t: Sequence[Tensor],
        statistics: Tensor,
        relu: bool,
    ) -> tuple[Tensor, Gradients]:
        learned = (t[self.weight], t[self.bias])
        found, rows, _ = batch_norm.BACKWARD(gradient, h, *learned, statistics, relu, False)
        return found, {self.weight: rows[0], self.bias: rows[1]}

    def backward_of_sum(
        self, gradient: Tensor, h: Tensor, t: Sequence[Tensor], statistics: Tensor, before: int
    ) -> tuple[Tensor, Gradients, Tensor]:
        """Without ReLU.

        Also of a bias that was added before, at a place, whose gradient is nothing; and a copy of
        the gradient, to which more is added.
        """
        learned = (t[self.weight], t[self.bias])
        found, rows, copy = batch_norm.BACKWARD(gradient, h, *learned, statistics, False, True)
        return found, {self.weight: rows[0], self.bias: rows[1], before: rows[2]}, copy


@dataclass(frozen=True, eq=False)
class ConvolutionStep(Step):
    """A convolution; or one with batch normalisation, ReLU and a sum behind it."""

    mixing: int
    weight: int
    bias: int | None
    pattern: tuple[int, ...]
    softmax: bool
    norm: Norm | None

    def running(self) -> tuple[int, ...]:
        return () if self.norm is None else self.norm.running()

    def takes(self, inputs: Sequence[Tensor], t: Sequence[Tensor]) -> bool:
        x, weight = inputs[0], t[self.weight]
        _, in_channels, out_channels = weight.shape
        nodes = t[self.pattern[0]].shape[0] - 1
        operator = ("semgconv" if self.softmax else "graph_convolution") + (
            "_per_channel" if t[self.mixing].dim() == 2 else ""
        )
        learned = [t[self.mixing], t[self.weight]]
        if self.norm is not None:
            learned += [t[self.norm.weight], t[self.norm.bias]]
        return (
            x.dim() == 3
            and x.shape[1:] == (nodes, in_channels)
            and all(add.shape == (*x.shape[:2], out_channels) for add in inputs[1:])
            and _of_one_type(*inputs, *learned)
            and (self.bias is None or t[self.bias].dtype == x.dtype)
            and _on_kernels(operator, x, out_channels, t[self.mixing].shape[-1])
            and x.numel() > 0
            and (self.norm is None or self.norm.takes(x, t))
        )

    def forward(
        self, inputs: Sequence[Tensor], t: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        x, add = (*inputs, None)[:2]
        bias = None if self.bias is None else t[self.bias]
        pattern = [t[place] for place in self.pattern]
        h = graph_convolution.FORWARD(
            x, t[self.mixing], t[self.weight], bias, pattern, [], 0.0, self.softmax, False
        )
        if self.norm is None:
            return [h], []
        y, statistics = self.norm.forward(h, add, t, True)
        return [y], [h, statistics]

    def backward(
        self,
        gradients: Sequence[Tensor],
        inputs: Sequence[Tensor],
        t: Sequence[Tensor],
        kept: Sequence[Tensor],
        needs: frozenset[int],
    ) -> tuple[list[Tensor], Gradients]:
        (gradient,), x, found = gradients, inputs[0], Gradients()
        for_h = gradient
        if self.norm is not None:
            h, statistics = kept
            for_h, found = self.norm.backward(gradient, h, t, statistics, True)
        pattern = [t[place] for place in self.pattern]
        learned = (self.mixing, self.weight, self.bias)
        wanted = [-len(inputs) in needs, *(place in needs for place in learned)]
        for_x, *rest = graph_convolution.BACKWARD(
            for_h, x, t[self.mixing], t[self.weight], pattern, self.softmax, wanted
        )
        found |= {place: g for place, g in zip(learned, rest, strict=True) if place in needs}
        return [for_x, gradient][: len(inputs)], found


@dataclass(frozen=True, eq=False)
class AttentionStep(Step):
    """The non-local block, the sum with its input included."""

    score: int
    maps: tuple[int, ...]
    """Weight and bias of value, theta and phi."""
    output: int
    output_bias: int
    norm: Norm

    def running(self) -> tuple[int, ...]:
        return self.norm.running()

    def takes(self, inputs: Sequence[Tensor], t: Sequence[Tensor]) -> bool:
        (x,) = inputs
        inner, channels = t[self.maps[0]].shape
        learned = (self.score, *self.maps, self.output, self.output_bias)
        return (
            x.dim() == 3
            and x.shape[2] == channels
            and x.shape[1] <= MOST_BLOCK_NODES
            and _of_one_type(x, *(t[place] for place in (*learned, self.norm.weight)))
            and _on_kernels("joined_map", x, inner)
            and _on_kernels("nonlocal_attention", x, inner)
            and self.norm.takes(x, t)
        )

    def forward(
        self, inputs: Sequence[Tensor], t: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        (x,) = inputs
        weight, bias = joined_map.FORWARD(t[self.score], *(t[place] for place in self.maps))
        mapped = _features(F.linear(_rows(x), weight, bias), x)
        attended = attention.FORWARD(*parts_of(mapped, t[self.output].shape[1]))
        h = _features(F.linear(_rows(attended), t[self.output], t[self.output_bias]), x)
        y, statistics = self.norm.forward(h, x, t, False)
        return [y], [weight, mapped, attended, h, statistics]

    def backward(
        self,
        gradients: Sequence[Tensor],
        inputs: Sequence[Tensor],
        t: Sequence[Tensor],
        kept: Sequence[Tensor],
        needs: frozenset[int],
    ) -> tuple[list[Tensor], Gradients]:
        (gradient,), (x,) = gradients, inputs
        weight, mapped, attended, h, statistics = kept
        for_h, found, around = self.norm.backward_of_sum(
            gradient, h, t, statistics, self.output_bias
        )
        up = _rows(for_h)
        for_attended = _features(up @ t[self.output], x)
        parts = parts_of(mapped, attended.shape[2])
        joined = _rows(attention.BACKWARD(for_attended, *parts))
        if needs.intersection((self.score, *self.maps, self.output)):
            rows = (up, _rows(attended), joined, _rows(x))
            found |= beside(lambda: self._maps_backward(*rows, t), *rows)
        _rows(around).addmm_(joined, weight)
        return [around], found

    def _maps_backward(
        self, up: Tensor, attended: Tensor, joined: Tensor, x: Tensor, t: Sequence[Tensor]
    ) -> Gradients:
        """Of the maps before attention and of that behind it, from rows."""
        inner = attended.shape[1]
        pairs = (Pair(up.shape[1], inner, False), Pair(joined.shape[1], x.shape[1], True))
        if takes_row_products(x, pairs, x.shape[0]):
            output, weight, bias = row_products((up, joined), (attended, x), (False, True))
        else:
            output, weight, bias = up.t() @ attended, joined.t() @ x, joined.sum(0)
        read = (t[self.score], *(t[place] for place in self.maps[2:]))
        scores = slice(inner, inner + 2)
        rest = joined_map.BACKWARD(weight[scores], bias[scores], *read)
        places = (self.output, *self.maps[:2], self.score, *self.maps[2:])
        return dict(zip(places, (output, weight[:inner], bias[:inner], *rest), strict=True))


@dataclass(frozen=True, eq=False)
class ResidualStep(Step):
    """Two convolutions with a shortcut, and non-local attention if there is one."""

    first: ConvolutionStep
    second: ConvolutionStep
    attention: AttentionStep | None

    def _parts(self) -> list[Step]:
        parts: list[Step] = [self.first, self.second]
        return parts if self.attention is None else [*parts, self.attention]

    def running(self) -> tuple[int, ...]:
        return sum((part.running() for part in self._parts()), ())

    def takes(self, inputs: Sequence[Tensor], t: Sequence[Tensor]) -> bool:
        return len(inputs) == 1 and all(part.takes(inputs, t) for part in self._parts())

    def forward(
        self, inputs: Sequence[Tensor], t: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        inside, kept = self.first.forward(inputs, t)
        outputs, more = self.second.forward((*inside, *inputs), t)
        kept += [*inside, *more]
        if self.attention is not None:
            kept += outputs
            outputs, more = self.attention.forward(outputs, t)
            kept += more
        return outputs, kept

    def backward(
        self,
        gradients: Sequence[Tensor],
        inputs: Sequence[Tensor],
        t: Sequence[Tensor],
        kept: Sequence[Tensor],
        needs: frozenset[int],
    ) -> tuple[list[Tensor], Gradients]:
        found: Gradients = {}
        inside = kept[2:3]
        if self.attention is not None:
            within = needs | {-1}
            gradients, found = self.attention.backward(gradients, kept[5:6], t, kept[6:], within)
        (up, around), of_second = self.second.backward(
            gradients, (*inside, *inputs), t, kept[3:5], needs | {-2}
        )
        (for_x,), of_first = self.first.backward([up], inputs, t, kept[:2], needs)
        found |= of_second | of_first
        return [for_x + around if -1 in needs else for_x], found


@dataclass(frozen=True, eq=False)
class MapOfNodes:
    """A map from one scale to another, with the places of its weight and bias."""

    target: int
    source: int
    weight: int
    bias: int


@dataclass(frozen=True, eq=False)
class FusionStep(Step):
    """The sum of what scales are and of what others send, by dense maps of their nodes."""

    nodes: tuple[int, ...]
    maps: tuple[MapOfNodes, ...]
    """By target, then by source."""
    given: tuple[int, ...]
    """The scales of the inputs; sources, or targets that are more than what is sent."""
    made: tuple[int, ...]
    """The scales of the results."""

    def outputs(self, inputs: int) -> int:
        return len(self.made)

    def running(self) -> tuple[int, ...]:
        return ()

    def takes(self, inputs: Sequence[Tensor], t: Sequence[Tensor]) -> bool:
        if len(inputs) != len(self.given) or any(x.dim() != 3 for x in inputs):
            return False
        batch, _, channels = inputs[0].shape
        scales = Scales(self.nodes, tuple((m.target, m.source) for m in self.maps))
        learned = [t[place] for m in self.maps for place in (m.weight, m.bias)]
        return (
            all(
                x.shape == (batch, self.nodes[k], channels)
                for k, x in zip(self.given, inputs, strict=True)
            )
            and _of_one_type(*inputs, *learned)
            and selection.cupy_hindrance() is None
            and fusion.takes_fusion(scales, inputs[0])
        )

    def _layout(self) -> tuple[list[int], list[int], list[int], list[int]]:
        pairs = [MOST_SCALES * m.target + m.source for m in self.maps]
        return list(self.nodes), pairs, list(self.given), list(self.made)

    def forward(
        self, inputs: Sequence[Tensor], t: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        weights, biases = ([t[place] for place in places] for places in self._learned())
        return fusion.FORWARD(list(inputs), weights, biases, *self._layout()), []

    def _learned(self) -> tuple[list[int], list[int]]:
        return [m.weight for m in self.maps], [m.bias for m in self.maps]

    def backward(
        self,
        gradients: Sequence[Tensor],
        inputs: Sequence[Tensor],
        t: Sequence[Tensor],
        kept: Sequence[Tensor],
        needs: frozenset[int],
    ) -> tuple[list[Tensor], Gradients]:
        of_weights, of_biases = self._learned()
        weights, places = [t[place] for place in of_weights], of_weights + of_biases
        learns = not needs.isdisjoint(places)
        found = fusion.BACKWARD(list(gradients), list(inputs), weights, *self._layout(), learns)
        if not learns:
            return found, {}
        *of_inputs, row = found
        scales = Scales(self.nodes, tuple((m.target, m.source) for m in self.maps))
        begins = dict(zip(places, scales.places(), strict=False))
        return of_inputs, {
            place: row[begin : begin + t[place].numel()].view(t[place].shape)
            for place, begin in begins.items()
            if place in needs
        }
