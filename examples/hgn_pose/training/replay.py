"""Record a step on a CUDA device once, and replay it: one launch instead of thousands."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3
"""Calls before the recording, in which libraries and the optimizer set themselves up."""


class Replay:
    """A function of CUDA tensors that is recorded as a CUDA graph and then replayed.

    The first calls run the function as it is; then it is recorded. A recording reads its
    arguments from one place in memory, to which those of each later call are copied. So every
    call does the work of one call, and none is lost to the recording. Calls with another batch
    size, such as the last one of an epoch, run the function as it is.

    Parameters
    ----------
    function : callable
        Takes tensors of shape (B, ...) and returns a tensor. What it changes, it changes in
        place, and it waits for nothing: it neither reads values back nor sends any.
    batch_size : int
        The B that is recorded.

    Notes
    -----
    The tensor that is returned is overwritten by the next call.

    See https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs for what can be recorded.
    """

    def __init__(self, function: Callable[..., Tensor], batch_size: int) -> None:
        self.function = function
        self.batch_size = batch_size
        self._warm_up = WARM_UP
        self._stream: torch.cuda.Stream | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._arguments: tuple[Tensor, ...] = ()
        self._result: Tensor

    def __call__(self, *arguments: Tensor) -> Tensor:
        if len(arguments[0]) != self.batch_size:
            return self.function(*arguments)
        if self._stream is None:
            self._stream = torch.cuda.Stream(arguments[0].device)
        if self._warm_up:
            self._warm_up -= 1
            return self._run_aside(self._stream, *arguments)
        if self._graph is None:
            self._graph = self._record(self._stream, *arguments)
        for place, argument in zip(self._arguments, arguments, strict=True):
            place.copy_(argument)
        self._graph.replay()
        return self._result

    def _run_aside(self, stream: torch.cuda.Stream, *arguments: Tensor) -> Tensor:
        """On the stream of the recording, which must not depend on the default one."""
        current = torch.cuda.current_stream(stream.device)
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            result = self.function(*arguments)
        current.wait_stream(stream)
        return result

    def _record(self, stream: torch.cuda.Stream, *arguments: Tensor) -> torch.cuda.CUDAGraph:
        self._arguments = tuple(argument.clone() for argument in arguments)
        graph = torch.cuda.CUDAGraph()
        # Other threads, such as those that watch over NCCL, may go on asking the device.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            self._result = self.function(*self._arguments)
        return graph
