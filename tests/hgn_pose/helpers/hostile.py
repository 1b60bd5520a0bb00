"""Files that strangers damaged or forged, and what a reader must do with them.

A reader returns what the undamaged file holds, or something else of the right form, or it refuses
the file in one sentence that names it. ``MULTISCALE_GCN_FUZZ=100`` tries a hundred times as many.
"""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SCALE = int(os.environ.get("MULTISCALE_GCN_FUZZ", "1"))
ROOM = 1 << 30
"""Bytes that a reader of a small file may take at most, beyond what the process has."""

NUMBERS = [
    b"0", b"-1", b"1.5", b"2000000000", b"1e400", b"-1e308", b"4611686018427387904", b"9" * 400,
    b"9" * 5000, b"NaN", b"Infinity", b"null", b"true", b"[]", b"{}", b'"text"', b'""', b"",
    b"[" * 3000, b'"\\ud800"', b"1_0", b"\xff", b"\x00", b"1 2", b"1,2", b"0x10",
]  # fmt: skip
"""What text may have in the place of a number."""


def read_or_refuse(read: Callable[[], Any], name: str) -> Any:
    """What the reader returns; None for a file that it refuses by name and in one sentence."""
    try:
        with little_memory():
            return read()
    except (ValueError, FileNotFoundError) as error:
        text = str(error)
        assert name in text, text
        assert "\n" not in text, text
        assert len(text) < 3000, text
        assert "more memory" not in text, text
        return None


@contextmanager
def little_memory() -> Iterator[None]:
    """Let this process take no more than :data:`ROOM`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def try_damages(
    path: Path,
    read: Callable[[], Any],
    *,
    same: Callable[[Any], bool] | None = None,
    most: int = 60,
) -> None:
    """Damage a file in all sorts of ways, and read it.

    Parameters
    ----------
    path : Path
        A whole file, which is written again in the end.
    read : callable
        Reads it, and maybe others that belong to it.
    same : callable, optional
        For formats with a checksum: whether what was read is what the whole file holds.
    most : int
        Ways to try.
    """
    whole = path.read_bytes()
    name = path.parent.name

    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        found = read_or_refuse(read, name)
        assert same is None or found is None or same(found)

    @settings(
        max_examples=most * SCALE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(damages(whole))
    def fuzz(data: bytes) -> None:
        attempt(data)

    try:
        for length in range(0, len(whole), max(1, len(whole) // (most * SCALE))):
            attempt(whole[:length])
        fuzz()
    finally:
        path.write_bytes(whole)
    assert read() is not None


def damages(whole: bytes) -> st.SearchStrategy[bytes]:
    """Bits flipped, pieces cut out, doubled or replaced, numbers forged, other encodings, noise."""
    place = st.integers(0, len(whole) - 1)
    ways = [
        st.lists(st.tuples(place, st.integers(0, 7)), min_size=1, max_size=3).map(
            lambda bits: flipped(whole, bits)
        ),
        st.tuples(place, place).map(lambda ends: whole[: min(ends)] + whole[max(ends) :]),
        st.tuples(place, place).map(lambda ends: whole[: max(ends)] + whole[min(ends) :]),
        st.tuples(place, st.binary(min_size=1, max_size=9)).map(
            lambda new: whole[: new[0]] + new[1] + whole[new[0] + len(new[1]) :]
        ),
        st.binary(max_size=300),
        st.binary(max_size=30).map(lambda noise: whole + noise),
    ]
    spots = [match.span() for match in re.finditer(rb"-?\d[\d.eE+-]*", whole)]
    if spots:
        ways.append(
            st.tuples(st.sampled_from(spots), st.sampled_from(NUMBERS)).map(
                lambda new: whole[: new[0][0]] + new[1] + whole[new[0][1] :]
            )
        )
    words = sorted(set(re.findall(rb"[A-Za-z_]{2,20}", whole)))[:500]
    if words:
        ways.append(
            st.tuples(st.sampled_from(words), st.sampled_from([b"x", b"", b"frame", b"\n"])).map(
                lambda new: whole.replace(new[0], new[1])
            )
        )
    try:
        text = whole.decode()
    except UnicodeDecodeError:
        pass
    else:
        ways.append(
            st.sampled_from(["utf-16", "utf-16-be", "utf-8-sig", "utf-32", "cp037"]).map(
                lambda encoding: text.encode(encoding, errors="replace")
            )
        )
    return st.one_of(ways)


def flipped(whole: bytes, bits: list[tuple[int, int]]) -> bytes:
    """The bytes with some bits the other way round, by place and number."""
    data = bytearray(whole)
    for place, bit in bits:
        data[place] ^= 1 << bit
    return bytes(data)
