"""Writers that are killed, and disks that fill up, anywhere in a file: what stood there stays."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tally import tried

from multiscale_gcn import Hierarchy, coarsen

KILLER = """
import os, random, signal, sys, time, warnings
import networkx as nx
from multiscale_gcn import Hierarchy, coarsen

path, times = sys.argv[1], int(sys.argv[2])
both = [coarsen(nx.path_graph(n), levels=3, backend="python") for n in (300, 500)]
known = {hierarchy.fingerprint for hierarchy in both}
both[0].save(path)
cut = 0
random.seed(int(sys.argv[3]))
for _ in range(times):
    writer = os.fork()
    if writer == 0:
        while True:
            for hierarchy in both:
                hierarchy.save(path)
    time.sleep(random.uniform(0, 0.02))
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    assert Hierarchy.load(path).fingerprint in known
    cut += len(os.listdir(os.path.dirname(path))) > 1
    both[1].save(path)
    assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
print(cut)
"""


def test_a_file_is_whole_whenever_its_writer_is_killed(tmp_path: Path) -> None:
    times = settings().max_examples
    command = [sys.executable, "-c", KILLER, str(tmp_path / "h.npz"), str(times), "0"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 0, "no writer was killed in the middle of a file"
    tried("writers killed", times)
    tried("writers killed that left half a file", int(run.stdout))


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file grows beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_may_be_full_after_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "h.npz"
    before, after = (coarsen(nx.path_graph(n), levels=2) for n in (20, 30))
    after.save(path)
    length = path.stat().st_size
    before.save(path)

    @given(st.integers(0, length - 1))
    def check(size: int) -> None:
        with room(size), pytest.raises(OSError, match=r"h.npz cannot be written: .* is unchanged"):
            after.save(path)
        assert Hierarchy.load(path).fingerprint == before.fingerprint
        assert list(tmp_path.iterdir()) == [path]
        tried("disks filled up")

    check()
