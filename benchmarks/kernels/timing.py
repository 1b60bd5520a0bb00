"""How kernels are timed: by replays of a recording of several steps, as networks are recorded."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch

from multiscale_gcn.nn.recording import Recording


def microseconds(run: Callable[[], object], steps: int, replays: int = 7) -> float:
    """Median time of a step, of replays of a graph of several."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)

    def several() -> None:
        for _ in range(steps):
            run()

    recording = Recording(several, stream)
    times = []
    for _ in range(replays + 1):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        recording.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(1e3 * begin.elapsed_time(end) / steps)
    return statistics.median(times[1:])


def copied_bytes_a_microsecond() -> float:
    source = torch.randn(1 << 29, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.nbytes / microseconds(lambda: target.copy_(source), 10)
