"""A detector's errors over clips: each frame's are those of single frames, and they last."""

import math

import pytest
import torch
from scipy.stats import kstest

from examples.hgn_pose.samples import detecting
from examples.hgn_pose.samples.detecting import (
    DRIFT,
    LASTING,
    NEW,
    PARTLY,
    PIXEL,
    draw_course,
    errors_at,
    over_time,
    present,
)

COUNT, FRAMES, STEP = 3000, 27, 0.075
TIME = STEP * torch.arange(-13, 14)
PIXELS = 10.0


@pytest.fixture(scope="module")
def middle():
    generator = torch.Generator().manual_seed(0)
    level = torch.full((COUNT,), PIXELS)
    return errors_at(level, generator), draw_course(level, generator)


@pytest.fixture(scope="module")
def clips(middle):
    errors = over_time(middle[0], middle[1], TIME)
    return type(errors)(*(part.unflatten(0, (COUNT, FRAMES)) for part in errors))


def test_the_frame_in_the_middle_keeps_its_errors(middle, clips):
    for before, after in zip(middle[0], clips, strict=True):
        torch.testing.assert_close(after[:, FRAMES // 2], before)


def test_every_frame_has_the_errors_of_a_single_one(clips):
    for frame in (0, 6, 12, 14, 20, 26):
        jitter = clips.jitter[:, frame] / (PIXELS * PIXEL)
        assert kstest(jitter.flatten().double().numpy(), "norm").pvalue > 1e-3
        rare = 0.005 * PIXELS
        for part, share in (
            (clips.missing, rare),
            (clips.misplaced, rare),
            (clips.confused, rare / 2),
        ):
            deviation = math.sqrt(share / part[:, frame].numel())
            assert float(part[:, frame].float().mean()) == pytest.approx(share, abs=4 * deviation)
        assert kstest(clips.place[:, frame].flatten().numpy(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("frame", [0, 9, 13, 17])
def test_half_of_the_jitter_drifts_away_in_about_half_a_second(clips, frame):
    """Against the mean of the products of the knots' weights over all places between knots."""

    def together(apart):
        begun = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
        later = begun + abs(apart) / DRIFT
        knot = later.floor()
        turned, first = (later - knot) * math.pi / 2, begun * math.pi / 2
        total = torch.zeros_like(begun)
        for mine, weight in ((0, first.cos()), (1, first.sin())):
            total += weight * ((knot == mine) * turned.cos() + (knot == mine - 1) * turned.sin())
        return float(total.mean())

    jitter = clips.jitter.flatten(2) / (PIXELS * PIXEL)
    found = (jitter * jitter[:, frame : frame + 1]).mean((0, 2))
    for other in range(FRAMES):
        wanted = 1.0 if other == frame else (1 - NEW) * together((other - frame) * STEP)
        assert float(found[other]) == pytest.approx(wanted, abs=0.015)
    assert float(found[frame - 7 if frame > 7 else frame + 14]) < 0.2


def test_rare_errors_last_for_a_fifth_of_a_second(clips):
    """Of two neighbours so near both lie in one fifth; a wrong place is the same all the while."""
    stays = 1 - STEP / LASTING
    rare = 0.005 * PIXELS
    for part, share in (
        (clips.missing, rare),
        (clips.misplaced, rare),
        (clips.confused, rare / 2),
    ):
        both = (part[:, 1:] & part[:, :-1]).float().mean() / share
        assert float(both) == pytest.approx(stays + (1 - stays) * share, abs=0.06)
    moved = (clips.place[:, 1:] != clips.place[:, :-1]).any(-1)
    assert float(moved.float().mean()) == pytest.approx(STEP / LASTING, abs=0.01)


def test_what_is_wrong_at_a_time_is_so_however_many_frames_are_taken(middle):
    every = over_time(middle[0], middle[1], TIME)
    few = over_time(middle[0], middle[1], 3 * STEP * torch.arange(-4, 5))
    for name in ("missing", "misplaced", "confused"):
        dense = getattr(every, name).unflatten(0, (COUNT, FRAMES))[:, 1::3]
        assert torch.equal(getattr(few, name).unflatten(0, (COUNT, 9)), dense)


def test_clips_begin_late_and_end_early(middle):
    found = present(middle[1], FRAMES)
    assert found[:, FRAMES // 2].all()
    assert (found[:, :13].long().diff(dim=1) >= 0).all()
    assert (found[:, 14:].long().diff(dim=1) <= 0).all()
    for side in (found[:, :13], found[:, 14:]):
        seen = side.sum(1)
        for frames in range(13):  # as often each
            share = float((seen == frames).float().mean())
            assert share == pytest.approx(PARTLY / 14, abs=4 * math.sqrt(PARTLY / 14 / COUNT))


def test_a_detector_without_jitter_finds_everything(middle):
    _, course = middle
    exact = errors_at(torch.zeros(COUNT), torch.Generator().manual_seed(1))
    clips = over_time(exact, course._replace(level=torch.zeros(COUNT)), TIME)
    assert not clips.jitter.any()
    assert not any(part.any() for part in (clips.missing, clips.misplaced, clips.confused))


def test_single_frames_are_drawn_as_ever():
    """Drawing level and errors one after the other is one draw."""
    first, second = (torch.Generator().manual_seed(5) for _ in range(2))
    whole = detecting.draw_errors(50, 8.0, first)
    parts = errors_at(detecting.draw_levels(50, 8.0, second), second)
    for one, other in zip(whole, parts, strict=True):
        assert torch.equal(one, other)
