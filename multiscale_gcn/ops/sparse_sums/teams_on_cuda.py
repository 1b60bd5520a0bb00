"""How rows of a sparse matrix, and slices of features, are divided among threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from multiscale_gcn.ops.kernels.arguments import alignment, channels_side_by_side
from multiscale_gcn.ops.kernels.launch import kernels_of, multiprocessors
from multiscale_gcn.ops.kernels.number_types import DTYPES

THREADS = {"aggregate": 768, "entry_gradient": 640}
"""Of a block that fills a processor: as many as have room for all they hold."""
FEWER_THREADS = 256
"""Of a block, where large ones would leave processors idle."""
ROWS_OF_TILE = 128


def within_reach(x: Tensor) -> Tensor:
    """With channels side by side; a copy if need be."""
    x = channels_side_by_side(x)
    step = x.stride(1) * x.element_size()
    if step >= 2**31:
        raise ValueError(
            f"features whose nodes lie {step} bytes apart: the kernels take fewer than 2^31; "
            "take a smaller batch"
        )
    return x


def numbers_at_once(*tensors: Tensor) -> int:
    """How many numbers a thread loads at once: 16 bytes, if all the tensors lie that way."""
    return alignment(*tensors) // tensors[0].element_size()


@dataclass(frozen=True)
class TeamLaunch:
    """How rows, and slices of features, are divided among the teams of threads of a kernel."""

    kernel: str
    threads: int
    lanes: int
    rows_of_tile: int
    blocks: int
    slices: int

    @classmethod
    def divide(cls, kernel: str, num_rows: int, slices: int, lanes: int, index: int) -> TeamLaunch:
        processors, threads = multiprocessors(index), THREADS[kernel]
        if num_rows * slices * lanes < threads * processors:
            threads = FEWER_THREADS
        teams = threads // lanes
        most = processors * THREADS[kernel] // threads
        blocks = most if slices == 1 else -(-4 * most // slices)
        steps = max(1, min(ROWS_OF_TILE // teams, num_rows // (teams * blocks)))
        tiles = -(-num_rows // (teams * steps))
        blocks = tiles if tiles < 2 * blocks else blocks
        return cls(kernel, threads, lanes, teams * steps, blocks, slices)

    def __call__(
        self, arguments: tuple[Any, ...], features: Tensor, shared_memory: int = 0, **options: int
    ) -> None:
        options |= {"LANES": self.lanes, "THREADS": self.threads}
        kernels_of(
            f"sparse_sums/{self.kernel}.cu", ELEMENT=DTYPES[features.dtype], **options
        ).launch(
            self.kernel,
            (self.blocks, self.slices),
            (self.threads,),
            arguments,
            features.device,
            shared_memory,
        )


def check_pattern_size(indptr: Tensor, columns: Tensor) -> None:
    for name, size in (("rows", indptr.shape[0] - 1), ("entries", columns.shape[0])):
        if size >= 2**30:
            raise ValueError(
                f"a pattern of {size} {name}: the kernels take fewer than 2^30; "
                "take backend='torch'"
            )
