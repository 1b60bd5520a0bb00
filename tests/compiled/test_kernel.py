"""Compiled code runs whatever the disk is like on which it would be kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from multiscale_gcn.compiled.kernel import COMPILING

PROGRAM = """
import warnings
warnings.simplefilter("always")
import numpy as np
from multiscale_gcn.compiled.kernel import kernel

@kernel()
def total(values):
    result = 0.0
    for value in values:
        result += value
    return result

print(total(np.ones(3)), total(np.ones(2, np.float32)))
"""


def run(folder: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    file = folder / "program.py"
    file.write_text(before + PROGRAM)
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": str(Path.cwd()),
    }
    command = [sys.executable, str(file)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def at_a_terminal(folder: Path) -> str:
    """What somebody sees on a terminal."""
    import pty

    file = folder / "program.py"
    file.write_text(PROGRAM)
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(folder / "cache"),
        "PYTHONPATH": str(Path.cwd()),
    }
    mine, theirs = pty.openpty()
    subprocess.run([sys.executable, str(file)], stderr=theirs, env=environment, check=True)
    os.close(theirs)
    try:
        return os.read(mine, 10_000).decode()
    except OSError:  # nothing was written
        return ""
    finally:
        os.close(mine)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_who_waits_at_a_terminal_is_told_once_and_nobody_else(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert at_a_terminal(tmp_path).splitlines() == [COMPILING]
    assert at_a_terminal(tmp_path) == "", "it is kept"
    assert run(other).stderr == "", "a program that nobody watches"


def test_who_waits_in_a_notebook_is_told(tmp_path: Path) -> None:
    assert run(tmp_path, "import sys\nsys.ps1 = '>>> '\n").stderr == f"{COMPILING}\n"


FULL = """
import numba.core.caching as caching, errno
def full(self, name, data):
    raise OSError(errno.ENOSPC, "No space left on device")
caching.IndexDataCacheFile.save = full
"""


def test_a_full_disk_costs_time_and_not_the_result(tmp_path: Path) -> None:
    for _ in range(2):
        found = run(tmp_path, FULL)
        assert found.stdout == "3.0 2.0\n", found.stderr
        assert "compiled code is not kept on disk" in found.stderr
        assert "No space left on device" in found.stderr


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("keep", [0, 40])
def test_damaged_files_are_compiled_anew(suffix: str, keep: int, tmp_path: Path) -> None:
    assert run(tmp_path).stdout == "3.0 2.0\n"
    damaged = list((tmp_path / "cache").rglob(f"*.{suffix}"))
    assert damaged
    for file in damaged:
        file.write_bytes(file.read_bytes()[:keep])
    found = run(tmp_path)
    assert found.stdout == "3.0 2.0\n", found.stderr


def test_without_a_place_to_keep_it_the_function_runs(tmp_path: Path) -> None:
    nowhere = "import numba.core.caching as c\nc.CacheImpl._locator_classes = []\n"
    found = run(tmp_path, nowhere)
    assert found.stdout == "3.0 2.0\n", found.stderr
    assert "no locator available" in found.stderr


def test_everything_runs_without_being_compiled() -> None:
    program = (
        "import numpy as np\n"
        "from multiscale_gcn import as_graph, coarsen\n"
        "from multiscale_gcn.contraction import on_cpu\n"
        "on_cpu.SMALL, on_cpu.ENTRIES_PER_THREAD = 1, 1\n"
        "graph = as_graph(np.ones((60, 60)))\n"
        "found = [coarsen(graph, levels=2, backend=name) for name in ('numba', 'python')]\n"
        "print(type(on_cpu._merge).__name__, found[0].fingerprint == found[1].fingerprint)\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore::RuntimeWarning", "-c", program],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(Path.cwd())},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.stdout == "function True\n", run.stderr
