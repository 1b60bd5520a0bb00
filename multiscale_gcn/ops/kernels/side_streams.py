"""Work side by side while a CUDA graph is recorded.

Kernels of small graphs leave most of a device idle. What was recorded on several streams runs at
once when the graph is replayed. Streams part within :func:`parted` alone, and all have met at its
end. Memory is never handed from one stream to another that may still be behind:

- What is made on a stream is given up to that stream again, whose work comes in order. So only
  what one stream made and another one reads could be written over too early.
- Within ``parted``, all that crosses is kept until its end: functions, with what they hold, what
  they say they read, and what they give.
- A stream begins with waiting for the one that it is asked from. So it is behind everything that
  was done with what has been given up before.

Every recording has streams of its own, as matrix products keep room for a stream: recordings that
are replayed at once must not share it. Elsewhere there is one stream, and no order but the
written one.
"""

from __future__ import annotations

import threading
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor

from multiscale_gcn.ops import selection

Result = TypeVar("Result")

LANES = 8
"""Streams of a recording. What lies beside one of them is half of them further."""


class SideStreams:
    """The streams of one recording.

    Parameters
    ----------
    main : torch.cuda.Stream
        On which the recording begins and ends.
    """

    def __init__(self, main: torch.cuda.Stream) -> None:
        self.lanes: list[torch.cuda.Stream] = [main]
        if selection.cupy_hindrance() is None:
            spare = _spare[main.device.index]
            owned = spare.pop() if spare else _new_streams(main.device)
            weakref.finalize(self, spare.append, owned)
            self.lanes += owned

    @contextmanager
    def recording(self) -> Iterator[None]:
        """While it is recorded. In whichever thread, streams part from the main one alone."""
        key = self.lanes[0].cuda_stream
        _recordings[key] = self
        try:
            yield
        finally:
            del _recordings[key]


_spare: defaultdict[int, list[list[torch.cuda.Stream]]] = defaultdict(list)
"""Of each device, those of recordings that are no more: PyTorch keeps room for each for ever."""


def _new_streams(device: torch.device) -> list[torch.cuda.Stream]:
    """None of PyTorch's, which has 32 for all and gives the same ones again and again."""
    from cupy.cuda import runtime

    with torch.cuda.device(device):
        made = [runtime.streamCreateWithFlags(runtime.streamNonBlocking) for _ in range(LANES - 1)]
    return [torch.cuda.ExternalStream(stream, device) for stream in made]  # type: ignore[no-untyped-call]


_recordings: dict[int, SideStreams] = {}


class _Parted:
    """What is under way on the streams of a recording.

    Attributes
    ----------
    lane : int
        Of the stream on which this thread is now.
    """

    def __init__(self, lanes: Sequence[torch.cuda.Stream]) -> None:
        self._lanes, self.lane = lanes, 0
        self._begun: dict[int, None] = {}
        self._kept: list[Any] = []

    def begin(self, lane: int) -> None:
        """Let a stream wait for what this one has to do by now."""
        if lane != self.lane:
            self._lanes[lane].wait_stream(self._lanes[self.lane])
            self._begun[lane] = None

    def run(self, lane: int, function: Callable[[], Result], *read: Any) -> Result:
        before, self.lane = self.lane, lane
        try:
            with torch.cuda.stream(self._lanes[lane]):
                result = function()
        finally:
            self.lane = before
        self._kept.append((function, read, result))
        return result

    def beside(self) -> int:
        return (self.lane + len(self._lanes) // 2) % len(self._lanes)

    def meet(self) -> None:
        for lane in self._begun:
            if lane != self.lane:
                self._lanes[self.lane].wait_stream(self._lanes[lane])

    def at_once(self, functions: Sequence[Callable[[], Result]]) -> list[Result]:
        lanes = [place % len(self._lanes) for place in range(len(functions))]
        for lane in dict.fromkeys(lanes):
            self.begin(lane)
        results = [self.run(*each) for each in zip(lanes, functions, strict=True)]
        self.meet()
        return results


class _OfThread(threading.local):
    parted: _Parted | None = None


_of_thread = _OfThread()


def is_recorded(x: Tensor) -> bool:
    """Whether what is done to a tensor here is recorded with streams that may part."""
    return bool(_recordings) and x.is_cuda and _current_recording(x.device) is not None


def _current_recording(device: torch.device) -> SideStreams | None:
    found = _recordings.get(torch.cuda.current_stream(device).cuda_stream)
    if found is None or len(found.lanes) == 1 or torch.compiler.is_compiling():
        return None
    return found


@contextmanager
def parted(device: torch.device) -> Iterator[None]:
    """In a recording, streams may part within; at the end all have met again.

    Within another, they part no further.
    """
    before = _of_thread.parted
    recording = _current_recording(device) if before is None and _recordings else None
    _of_thread.parted = within = None if recording is None else _Parted(recording.lanes)
    try:
        yield
    finally:
        _of_thread.parted = before
        if within is not None:
            within.meet()


def is_parted() -> bool:
    """Whether streams may part here."""
    return _of_thread.parted is not None


def at_once(functions: Sequence[Callable[[], Result]]) -> list[Result]:
    """What functions give that do not read what others of them write.

    One after the other; within :func:`parted` side by side. All have met at the end.

    Parameters
    ----------
    functions : sequence of callable
        Without arguments. They hold what they read.
    """
    within = _of_thread.parted
    if within is None or within.lane:
        return [function() for function in functions]
    return within.at_once(functions)


def beside(function: Callable[[], Result], *read: Any) -> Result:
    """What a function gives that nobody reads before the end of :func:`parted`.

    Parameters
    ----------
    function : callable
        Without arguments.
    *read
        Tensors that it reads and others may give up, also in lists.
    """
    within = _of_thread.parted
    if within is None:
        return function()
    lane = within.beside()
    within.begin(lane)
    return within.run(lane, function, *read)
