"""What is told of a long run: level, stage, edges a second, bytes, memory."""

from __future__ import annotations

import sys
import time
from pathlib import Path


class Progress:
    """A line for each stage of each level, on standard error; silent unless asked to speak.

    Parameters
    ----------
    shown : bool
        Whether there is a bar of tqdm for the stage that runs, and a line for each that is done.
    """

    def __init__(self, shown: bool) -> None:
        self.shown = shown
        self._level = 0
        self._stage = ""
        self._bar = None
        self._began = (0.0, 0.0)

    def level(self, index: int) -> None:
        """From now on it is about this level."""
        self._level = index

    def begin(self, stage: str, entries: int) -> None:
        """A stage begins that goes through so many entries."""
        if not self.shown:
            return
        from tqdm.auto import tqdm

        self._stage, self._began = stage, (time.perf_counter(), time.process_time())
        self._bar = tqdm(
            total=entries,
            desc=f"level {self._level} {stage}",
            unit=" entries",
            unit_scale=True,
            leave=False,
            file=sys.stderr,
        )

    def advance(self, entries: int) -> None:
        """So many more entries are done."""
        if self._bar is not None:
            self._bar.update(entries)

    def end(self, entries: int, written: int = 0) -> None:
        """The stage is done; it went through so many entries and wrote so many bytes."""
        if self._bar is None:
            return
        self._bar.close()
        self._bar = None
        seconds = max(time.perf_counter() - self._began[0], 1e-9)
        processor = time.process_time() - self._began[1]
        self.say(
            f"level {self._level} {self._stage}: {seconds:.1f} s, {processor:.1f} s of processors, "
            f"{entries / 2 / seconds / 1e6:.2f} M edges/s, {written / 1e6:.0f} MB written, "
            f"{resident() / 1e6:.0f} MB resident"
        )

    def say(self, text: str) -> None:
        """A line of text."""
        if self.shown:
            print(text, file=sys.stderr, flush=True)


def resident() -> int:
    """Bytes of this process that are in memory, mapped files included; 0 where nobody tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    import resource

    return pages * resource.getpagesize()
