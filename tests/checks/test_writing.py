"""Files are written whole, whatever happens to the writer."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tally import tried

from multiscale_gcn.checks.writing import whole_file

WRITER = """
import sys, time
from multiscale_gcn.checks.writing import whole_file
with whole_file(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    time.sleep(60)
"""


@contextmanager
def half_written(path: Path) -> Iterator[None]:
    """A process is at work on the file, which is killed in the end."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        yield
        writer.kill()
        tried("writers killed")


def write(path: Path, content: bytes) -> None:
    with whole_file(path) as file:
        file.write(content)


def test_what_killed_writers_left_is_removed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "result.npz"
    write(path, b"old")
    with half_written(path), half_written(path):
        pass
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 3
    write(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["result.npz"]
    assert path.read_bytes() == b"new"


def test_a_file_that_somebody_writes_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "result.npz"
    with half_written(path):
        write(path, b"ours")
        assert len(list(tmp_path.iterdir())) == 2
        assert path.read_bytes() == b"ours"


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    others = [tmp_path / "result.npz.part", tmp_path / f"other.{'0' * 32}.part"]
    for other in others:
        other.touch()
    write(tmp_path / "result.npz", b"ours")
    assert all(other.exists() for other in others)


def test_an_interrupted_writer_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "result.npz"
    with pytest.raises(KeyboardInterrupt), whole_file(path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "result.npz"
    write(path, b"old")
    told = pytest.raises(OSError, match=r"result.npz cannot be written: No space")
    with told as caught, whole_file(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_disk_that_is_full_when_the_rest_is_flushed(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "result.npz"

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"result.npz cannot be written: No space"):
        write(path, b"all")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing/result.npz", r"there is no folder .*missing; make it"),
        ("", r"is a folder; give the name of a file"),
        ("a" * 300, r"cannot be written: .*too long.*; give another name"),
    ],
)
def test_places_that_cannot_be_written(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=message):
        write(tmp_path / name, b"")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_told_with_the_path(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=r"result.npz cannot be written: Permission"):
        write(tmp_path / "result.npz", b"")


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    target, link = tmp_path / "far" / "result.npz", tmp_path / "result.npz"
    target.parent.mkdir()
    link.symlink_to(target)
    for content in (b"first", b"second"):
        write(link, content)
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert [path.name for path in target.parent.iterdir()] == ["result.npz"]
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere" / "result.npz")
    with pytest.raises(FileNotFoundError, match=r"lost cannot be written: .*nowhere; make it"):
        write(tmp_path / "lost", b"")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    with pytest.raises(OSError, match="round cannot be written"):
        write(tmp_path / "round", b"")


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    """Nor would a device be, whoever may write beside it, as root may in a container."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(FileExistsError, match=r"is a device or a pipe, .*; give another name"):
        write(pipe, b"all")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_many_writers_at_once_each_write_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "result"
    code = (
        "import sys\n"
        "from multiscale_gcn.checks.writing import whole_file\n"
        "for k in range(60):\n"
        "    with whole_file(sys.argv[1]) as file:\n"
        "        file.write(sys.argv[2].encode() * 1000)\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(path), letter]) for letter in "abc"
    ]
    until = time.monotonic() + 60
    while any(writer.poll() is None for writer in writers) and time.monotonic() < until:
        if path.exists():
            content = path.read_bytes()
            assert len(content) == 1000
            assert len(set(content)) == 1
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert [p.name for p in tmp_path.iterdir()] == ["result"]
