"""The benchmark of pyramids, and what it finds."""

from __future__ import annotations

import pytest

pytest.importorskip("fast_simplification", reason="optional: the peer")
pytest.importorskip("trimesh", reason="optional: its nearest points")

from benchmarks.coarsening import pyramids


def test_it_finds_a_pyramid_that_keeps_as_much_as_its_peer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    methods = (
        "matching, constant",
        "pyramid, subset",
        "optimal in one step",
        "fast-simplification",
    )
    pyramids.main(("ball",), methods)
    lines = capsys.readouterr().out.splitlines()
    rows = {method: line[26:].split() for line in lines for method in methods if method in line}
    lost = {method: [float(x) for x in row[:3]] for method, row in rows.items()}
    for constant, subset, optimal, peer in zip(*(lost[method] for method in methods), strict=True):
        assert subset < constant / 7
        assert optimal < 1.1 * peer
    for method in methods[1:3]:
        assert rows[method][6:8] == ["yes/yes/yes", "0/0/0"]
