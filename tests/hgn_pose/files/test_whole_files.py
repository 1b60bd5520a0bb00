"""Files are written whole or not at all, and what killed writers left is cleared away."""

import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from examples.hgn_pose.files.archives import write_npz
from examples.hgn_pose.files.caching import cached
from examples.hgn_pose.files.writing import make_folder, write_bytes, write_json
from examples.hgn_pose.network.tensor_files import write_tensors

WRITERS = {
    "a.bin": lambda path: write_bytes(path, bytes(10_000)),
    "a.json": lambda path: write_json(path, list(range(10_000))),
    "a.npz": lambda path: write_npz(path, {"a": np.random.default_rng(0).random(10_000)}),
    "a.safetensors": lambda path: write_tensors(path, {"a": torch.zeros(10_000)}, "weights", {}),
    "fit-0.npz": lambda path: cached(
        path.parent, "fit", "0", ["a"], lambda: {"a": np.random.default_rng(0).random(10_000)}
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_left_overs_of_killed_writers_go(name, tmp_path):
    left = tmp_path / f"{name}.{'0' * 32}.part"
    other = tmp_path / f"other.{'0' * 32}.part"
    left.write_bytes(b"half")
    other.write_bytes(b"half")
    WRITERS[name](tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {name, other.name}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_what_was_there(name, tmp_path):
    path = tmp_path / "runs" / name
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    path.parent.mkdir()
    if not name.startswith("fit"):
        path.write_bytes(b"before")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match=rf"{path} cannot be written: File too large; what stood"):
            WRITERS[name](path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [found.read_bytes() for found in path.parent.iterdir()] in ([b"before"], [])


@pytest.mark.parametrize("name", WRITERS)
def test_a_place_that_is_no_folder_is_named(name, tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "runs"
    with pytest.raises(ValueError, match=f"cannot be written to the folder {folder}: Not a dir"):
        WRITERS[name](folder / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ValueError, match=f"to the folder {tmp_path}: Permission denied; give"):
        make_folder(tmp_path)
    tmp_path.chmod(0o700)


def test_writers_killed_in_the_middle_leave_nothing_in_the_end(tmp_path):
    path = tmp_path / "a.bin"
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from examples.hgn_pose.files.writing import write_bytes\n"
        "for _ in range(20):\n"
        "    if not os.fork():\n"
        "        os.fsync = lambda number: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        write_bytes(Path(sys.argv[1]), bytes(1000))\n"
        "    os.wait()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1  # each writer removed what the one before it left
    write_bytes(path, b"whole")
    assert [found.read_bytes() for found in tmp_path.iterdir()] == [b"whole"]
