"""What of a network's parameters the kernel reads, and where in its workspace it lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from torch import Tensor

from multiscale_gcn.ops.epilogue import Normalisation
from multiscale_gcn.ops.multiples import up_to

CHANNEL_MATRIX, JOINED_MATRIX, CHANNEL_VECTORS, JOINED_VECTOR, NODE_MATRIX, GRAPH_MATRIX = range(6)
"""Kinds of tasks, by their numbers in ``arrange.cu``."""
TASK = 16
"""Numbers of a task there."""
POINTERS = 480
"""Parameters that one launch can name: the arguments of a kernel have room for 4 KB."""
COLUMNS, PIECE = 8, 4096
"""Columns of a matrix of channels, and numbers of one of nodes, that a block of threads takes."""
WIDTH = 32
"""Channels are padded to multiples of it."""


class Matrix(NamedTuple):
    """Of channels or of nodes: where it begins, and its size without padding."""

    begin: int
    rows: int
    columns: int


class Vectors(NamedTuple):
    """A scale and a shift for each channel, or a number for each node: where they begin."""

    begin: int


Part = Tensor | int | None
"""Of a task: a parameter, a number, or a parameter that is not there."""


@dataclass(frozen=True)
class Task:
    """What a block of threads arranges."""

    kind: int
    begin: int
    rows: int
    columns: int
    padded_columns: int
    size: int
    parts: tuple[Part, ...]

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Which of its columns of channels, or of its numbers, which blocks arrange."""
        if self.kind in (CHANNEL_MATRIX, JOINED_MATRIX):
            size, step = self.padded_columns, COLUMNS
        else:
            size, step = self.size, PIECE if self.kind == NODE_MATRIX else self.size
        for begin in range(0, size, step):
            yield begin, min(begin + step, size)

    def tensors(self) -> list[Tensor]:
        return [part for part in self.parts if isinstance(part, Tensor)]


@dataclass
class Preparation:
    """The tasks of a network, and the workspace that they fill.

    Attributes
    ----------
    size : int
        Numbers of the workspace.
    """

    tasks: list[Task] = field(default_factory=list)
    size: int = 0

    def linear(self, weight: Tensor, first: int = 0, count: int | None = None) -> Matrix:
        """That of ``nn.Linear``, [K, C], or of some of the channels that it reads."""
        outer, inner = weight.shape
        count = inner if count is None else count
        return self._channels(CHANNEL_MATRIX, count, outer, (weight, first, 1, inner))

    def channels(self, weight: Tensor, place: int) -> Matrix:
        """One of the matrices of a convolution, [matrices, C_in, C_out]."""
        _, inner, outer = weight.shape
        parts = (weight, place * inner * outer, outer, 1)
        return self._channels(CHANNEL_MATRIX, inner, outer, parts)

    def joined(self, value: Tensor, theta: Tensor, phi: Tensor, score: Tensor) -> Matrix:
        """The map to values and both scores, see :func:`multiscale_gcn.ops.joined_map`."""
        inner, channels = value.shape
        parts = (value, theta, phi, score, inner)
        return self._channels(JOINED_MATRIX, channels, inner + 2, parts)

    def joined_shift(self, value: Tensor, theta: Tensor, phi: Tensor, score: Tensor) -> Vectors:
        """The biases of that map."""
        inner = value.shape[0]
        return self._vectors(JOINED_VECTOR, inner + 2, (value, theta, phi, score, inner))

    def vectors(
        self, count: int, bias: Tensor | None, norm: Normalisation | None = None
    ) -> Vectors:
        """A bias and a normalisation behind it, as a scale and a shift."""
        parts: tuple[Part, ...] = (bias, None, None, None, None)
        if norm is not None:
            epsilon = int(np.float32(norm.epsilon).view(np.int32))
            parts = (bias, norm.mean, norm.variance, norm.weight, norm.bias, epsilon)
        return self._vectors(CHANNEL_VECTORS, count, parts)

    def of_nodes(self, bias: Tensor) -> Vectors:
        """A number for each node."""
        begin = self.vectors(len(bias), bias).begin
        return Vectors(begin + up_to(len(bias), WIDTH))

    def nodes(self, weight: Tensor) -> Matrix:
        """A dense map of nodes, [M, N]."""
        rows, columns = weight.shape
        return self._nodes(NODE_MATRIX, rows, columns, (weight,))

    def graph(
        self,
        values: Tensor,
        pattern: Sequence[Tensor],  # where rows begin, columns
        shape: tuple[int, int],
        softmax: bool = False,
        diagonal: Vectors | None = None,
    ) -> Matrix:
        """A sparse matrix of nodes; its diagonal goes elsewhere if a place for it is given."""
        apart = -1 if diagonal is None else diagonal.begin
        return self._nodes(GRAPH_MATRIX, *shape, (values, *pattern, int(softmax), apart))

    def room(self, count: int) -> Vectors:
        """That another task fills."""
        return Vectors(self._place(count))

    def _place(self, count: int) -> int:
        begin = self.size
        self.size += up_to(count, 32)
        return begin

    def _channels(self, kind: int, rows: int, columns: int, parts: tuple[Part, ...]) -> Matrix:
        wide = up_to(columns, WIDTH)
        # In half precision the numbers take half of that, and a scale for each column follows.
        return self._matrix(kind, rows, columns, wide, up_to(rows, 16) * wide, parts)

    def _nodes(self, kind: int, rows: int, columns: int, parts: tuple[Part, ...]) -> Matrix:
        wide = up_to(columns, 8)
        return self._matrix(kind, rows, columns, wide, up_to(rows, 16) * wide, parts)

    def _matrix(
        self, kind: int, rows: int, columns: int, wide: int, size: int, parts: tuple[Part, ...]
    ) -> Matrix:
        begin = self._place(size)
        self.tasks.append(Task(kind, begin, rows, columns, wide, size, parts))
        return Matrix(begin, rows, columns)

    def _vectors(self, kind: int, count: int, parts: tuple[Part, ...]) -> Vectors:
        wide = up_to(count, WIDTH)
        begin = self._place(2 * wide)
        self.tasks.append(Task(kind, begin, 1, count, wide, 2 * wide, parts))
        return Vectors(begin)
