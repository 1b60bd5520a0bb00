from __future__ import annotations

import os
import shutil
import sys
import tempfile
from typing import Any

os.environ.setdefault("NUMBA_NUM_THREADS", "4")  # before numba is imported: tests use 1, 2 and 4

import pytest
from hypothesis import Phase, settings
from tally import TRIED

# CI draws the same examples every time, so that a change fails for what it changed.
settings.register_profile("default", deadline=None, max_examples=60, derandomize="CI" in os.environ)
settings.register_profile(
    "campaign", deadline=None, max_examples=int(os.environ.get("EXAMPLES", "1000"))
)
# A mutant is killed by the first example that fails; nobody reads the smallest.
settings.register_profile(
    "mutants",
    deadline=None,
    max_examples=60,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("default")

SMALL_CHUNKS = "SMALL_CHUNKS" in os.environ
"""Whether small graphs take every path of the compiled code that large ones take."""


def pytest_configure(config: pytest.Config) -> None:
    """Compiled code runs from the first call on. Constants are compiled in, so they are changed
    first, and what is compiled is kept apart."""
    from multiscale_gcn.backends import BEGINNING, SPARED

    BEGINNING.entries = SPARED
    if not SMALL_CHUNKS:
        return
    folder = tempfile.mkdtemp(prefix="compiled")
    config.add_cleanup(lambda: shutil.rmtree(folder))
    os.environ["NUMBA_CACHE_DIR"] = folder
    from multiscale_gcn.contraction import on_cpu as contraction
    from multiscale_gcn.matching import on_cpu as matching

    matching.CHUNK, matching.FEW = 3, 2
    contraction.SHORT, contraction.CROWDED, contraction.DIGIT = 2, 2, 2
    contraction.AHEAD, contraction.MOST_AHEAD = 1, 2


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TRIED and terminalreporter.config.getoption("--hypothesis-profile") == "campaign":
        terminalreporter.section("tried")
        for what, times in sorted(TRIED.items()):
            terminalreporter.line(f"{times:>9,}  {what}")


@pytest.fixture(autouse=True)
def as_many_threads_as_were_asked_for() -> None:
    """Numba's threads are OpenMP's too: after them PyTorch would take as many, on few cores."""
    torch = sys.modules.get("torch")
    asked = os.environ.get("OMP_NUM_THREADS")
    if torch is not None and asked is not None:
        torch.set_num_threads(int(asked))


@pytest.fixture(autouse=True)
def poisoned_memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No operator's kernel may rely on what fresh memory holds, or leave a part of it unwritten."""
    if request.path.parent.name != "nn" or not request.path.stem.endswith("_cupy"):
        return
    import torch

    empty = torch.Tensor.new_empty

    def poisoned(self: torch.Tensor, *arguments: Any, **options: Any) -> torch.Tensor:
        result = empty(self, *arguments, **options)
        return result.fill_(torch.nan) if result.is_floating_point() else result

    monkeypatch.setattr(torch.Tensor, "new_empty", poisoned)
