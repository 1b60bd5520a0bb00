"""Work that is recorded as a CUDA graph, on streams that may part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from multiscale_gcn.nn.optimizers_at_once import optimizers_at_once
from multiscale_gcn.ops.kernels.side_streams import SideStreams


class Recording:
    """What a function does, to be done again.

    Parameters
    ----------
    work : callable
        Without arguments. It ran before, on the same stream.
    stream : torch.cuda.Stream
    **options
        Of ``torch.cuda.graph``.

    Attributes
    ----------
    result
        What the function gave: its tensors are those that a replay writes.
    """

    def __init__(self, work: Callable[[], Any], stream: torch.cuda.Stream, **options: Any) -> None:
        self._graph = torch.cuda.CUDAGraph()
        # They live as long as the graph: no other recording may have the same ones.
        self._streams = SideStreams(stream)
        with (
            torch.cuda.graph(self._graph, stream=stream, **options),
            self._streams.recording(),
            optimizers_at_once(),
        ):
            self.result: Any = work()

    def replay(self) -> None:
        """Do it again, on the current stream."""
        self._graph.replay()
