import json

import numpy as np
import pytest
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.measuring.clips import WRIST, sides_swapped, wrist_off


def test_clips_lifted_as_clips_are_better_in_every_figure(tmp_path, capsys):
    quick = ["--clips-every", "9", "--frames", "40", "--pixels", "4", "--data", "builtin"]
    main(["measure-clips", *quick, "--device", "cpu", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    read = json.loads((tmp_path / "clips.json").read_text())
    figures = read["figures"]
    for name, (alone, together) in figures.items():
        assert name in printed
        if not name.startswith(("truth", "exact 2D: MPJPE", "camera known: the root")):
            assert together < 0.7 * alone
    alone, together = figures["exact 2D: MPJPE, mm"]
    assert together < alone + 1


@pytest.mark.parametrize("options", [["--clips-every", "0"], ["--frames", "8"]])
def test_options_that_leave_nothing_are_refused(options, tmp_path):
    with refused() as refusal:
        main(["measure-clips", *options, "--out", str(tmp_path / "new")])
    assert "clips_every must be at least 1 and frames more than 8" in refusal.message
    assert not (tmp_path / "new").exists()


def test_what_is_spoiled_is_spoiled_as_it_says():
    pixels = np.random.default_rng(0).uniform(0, 100, (20, 17, 2))
    off = wrist_off(pixels, 5, 0.5, np.random.default_rng(1))
    changed = np.argwhere((off != pixels).any(axis=2)).tolist()
    assert changed == [[5, WRIST]]
    height = np.ptp(pixels[5], axis=0).max()
    assert np.linalg.norm(off - pixels, axis=2).max() == pytest.approx(height / 2)
    rows = np.flatnonzero((sides_swapped(pixels, 7) != pixels).any(axis=(1, 2)))
    assert rows.tolist() == [7, 8, 9, 10]
