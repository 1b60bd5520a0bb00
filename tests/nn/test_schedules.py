"""Schedules: their routes drawn by hand, and what is refused."""

from __future__ import annotations

import dataclasses

import pytest

from multiscale_gcn.nn import Schedule
from multiscale_gcn.nn.schedules import as_schedule, parallel, u_net, v_cycle, w_cycle


def route(schedule: Schedule) -> list[int]:
    """The scales that work, one after the other."""
    assert all(len(stage) == 1 for stage in schedule.stages)
    return [stage[0] for stage in schedule.stages]


def test_hgns_figure_is_parallel():
    schedule = parallel(3)
    assert schedule.stages == ((0, 1), (0, 1), (0, 1, 2), (0, 1, 2))
    assert schedule.transfers is not None
    assert set(schedule.transfers[0]) == {(0, 1), (1, 0)}
    assert set(schedule.transfers[3]) == {(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)}
    assert parallel(1, depth=3).stages == ((0,),) * 3
    assert parallel(4, depth=1).stages == ((0, 1), (0, 1, 2), (0, 1, 2, 3))


@pytest.mark.parametrize(
    ("schedule", "scales"),
    [
        (v_cycle(1), [0]),
        (v_cycle(2), [0, 1, 0]),
        (v_cycle(4), [0, 1, 2, 3, 2, 1, 0]),
        (v_cycle(2, depth=2), [0, 0, 1, 1, 0, 0]),
        (u_net(3, depth=1), [0, 1, 2, 1, 0]),
        (u_net(2), [0, 0, 1, 1, 0, 0]),
        (w_cycle(1), [0]),
        (w_cycle(2), [0, 1, 0]),
        (w_cycle(3), [0, 1, 2, 1, 2, 1, 0]),
        (w_cycle(4), [0, 1, 2, 3, 2, 3, 2, 1, 2, 3, 2, 3, 2, 1, 0]),
        (w_cycle(2, depth=2), [0, 0, 1, 1, 0, 0]),
    ],
)
def test_routes(schedule, scales):
    assert route(schedule) == scales


@pytest.mark.parametrize("make", [u_net, v_cycle, w_cycle])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("num_scales", [1, 2, 3, 5])
def test_a_scale_sends_to_the_next_one_when_its_visit_is_over(make, num_scales, depth):
    schedule = make(num_scales, depth=depth)
    scales = route(schedule)
    assert schedule.transfers is not None
    for place, sent in enumerate(schedule.transfers):
        here, after = scales[place], scales[place + 1 : place + 2]
        assert sent == (((here, after[0]),) if after and after[0] != here else ())
    assert all(scales.count(k) % depth == 0 for k in scales)
    assert schedule.skips == ("concatenate" if make is u_net else "add")


def test_names_and_lists_are_schedules():
    assert as_schedule("u_net", 3) == u_net(3)
    assert as_schedule("parallel", 3) == parallel(3)
    assert as_schedule("w_cycle", 3) == w_cycle(3)
    assert as_schedule(v_cycle(2), 7) == v_cycle(2)
    assert as_schedule([[1, 0]], 2).transfers == (((1, 0), (0, 1)),)
    with pytest.raises(ValueError, match="stages = 'x_net' is none of 'parallel', 'u_net'"):
        as_schedule("x_net", 2)


def test_a_schedule_is_a_value():
    assert hash(v_cycle(3)) == hash(v_cycle(3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        v_cycle(3).skips = "concatenate"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Schedule([]), "stages is empty"),
        (lambda: Schedule([(0,), ()]), r"stages\[1\] names no scale"),
        (lambda: Schedule([(0, 0)]), r"stages\[0\] = \(0, 0\) names a scale twice"),
        (
            lambda: Schedule([(0,), ("a",)]),  # type: ignore[list-item]
            r"stages\[1\]\[0\] = 'a' must be an integer",
        ),
        (lambda: Schedule([(0,), (1,)], [[]]), "transfers has 1 entries for 2 stages"),
        (
            lambda: Schedule([(0,)], [[(0, 1, 2)]]),  # type: ignore[list-item]
            r"transfers\[0\]\[0\] = \(0, 1, 2\) must be a p",
        ),
        (lambda: Schedule([(0,)], [[(0, 0)]]), r"transfers\[0\]\[0\] sends scale 0 to itself"),
        (
            lambda: Schedule([(0,)], [[(0, 1), (0, 1)]]),
            r"transfers\[0\]\[1\] = \(0, 1\) is there t",
        ),
        (
            lambda: Schedule([(0,)], [[(0, 1.5)]]),  # type: ignore[list-item]
            r"transfers\[0\]\[0\]\[1\] = 1.5 must be an int",
        ),
        (lambda: Schedule([(0,)], skips="both"), "skips = 'both' is neither"),  # type: ignore[arg-type]
        (lambda: u_net(0), "num_scales = 0 must be at least 1"),
        (lambda: v_cycle(2, depth=0), "depth = 0 must be at least 1"),
        (lambda: w_cycle(13), "num_scales = 13 must be at most 12"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_no_sequence_is_refused():
    with pytest.raises(TypeError, match=r"stages = 3 is no sequence"):
        Schedule(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"transfers\[0\]\[0\] = 1 is no sequence"):
        Schedule([(0,)], [[1]])  # type: ignore[list-item]
