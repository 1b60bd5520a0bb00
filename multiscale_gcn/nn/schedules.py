"""Who works when, and who sends to whom: the schedules of networks on several scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Any, Literal, get_args

from multiscale_gcn.checks.arguments import one_of, shown, whole_number
from multiscale_gcn.nn.layer_checks import listed

__all__ = ["parallel", "u_net", "v_cycle", "w_cycle"]

Skips = Literal["add", "concatenate"]
Pair = tuple[int, int]

MOST_SCALES, MOST_STAGES = 64, 4096
"""Of a schedule by name: halved so often, no graph has a node left; nobody trains so deep."""


@dataclass(frozen=True)
class Schedule:
    """Stages of work, and what is sent after each of them.

    A scale that is sent features before it has any begins with them. One that has some keeps them:
    that is the skip connection of a scale that is returned to.

    Parameters
    ----------
    stages : sequence of sequences of int
        The scales that work in each stage.
    transfers : sequence of sequences of pairs (source, target) of int, optional
        What is sent after the work of each stage. By default all scales of a stage send to each
        other, and a scale that a stage names before it has begun begins from all that have.
    skips : {"add", "concatenate"}
        Whether what is sent is added to what the target has, or stands beside it and a linear map
        of the channels takes both.

    Raises
    ------
    ValueError
        For a stage that names no scale or one twice, for transfers that are not one list for each
        stage, and for a pair that is none, is there twice, or sends a scale to itself.
    TypeError
        For what is no sequence, or no number, where one belongs.

    See Also
    --------
    multiscale_gcn.nn.schedules.parallel : all scales at once
    multiscale_gcn.nn.schedules.u_net : down and up, with what was there beside
    multiscale_gcn.nn.schedules.v_cycle : down and up, with what was there added
    multiscale_gcn.nn.schedules.w_cycle : down twice before up

    Examples
    --------
    >>> from multiscale_gcn.nn.schedules import v_cycle
    >>> Schedule([(0,), (1,), (0,)], [[(0, 1)], [(1, 0)], []]) == v_cycle(2)
    True
    >>> Schedule([(0, 1), (0, 1)]).transfers
    (((0, 1), (1, 0)), ((0, 1), (1, 0)))
    """

    stages: Sequence[Sequence[int]]
    transfers: Sequence[Sequence[Pair]] | None = None
    skips: Skips = "add"

    def __post_init__(self) -> None:
        one_of(self.skips, "skips", get_args(Skips))
        stages = _stages(self.stages)
        if self.transfers is None:
            transfers = tuple(tuple(permutations(stage, 2)) for stage in stages)
        else:
            transfers = _transfers(self.transfers, len(stages))
        object.__setattr__(self, "stages", stages)
        object.__setattr__(self, "transfers", transfers)


def _stages(stages: Any) -> tuple[tuple[int, ...], ...]:
    result = tuple(
        tuple(
            whole_number(k, f"stages[{place}][{i}]")
            for i, k in enumerate(listed(stage, f"stages[{place}]"))
        )
        for place, stage in enumerate(listed(stages, "stages"))
    )
    if not result:
        raise ValueError("stages is empty; a network needs at least one stage")
    for place, stage in enumerate(result):
        if not stage:
            raise ValueError(f"stages[{place}] names no scale; name one, or leave the stage out")
        if len(set(stage)) < len(stage):
            raise ValueError(f"stages[{place}] = {stage} names a scale twice; name it once")
    return result


def _transfers(transfers: Any, count: int) -> tuple[tuple[Pair, ...], ...]:
    after = listed(transfers, "transfers")
    if len(after) != count:
        raise ValueError(
            f"transfers has {len(after)} entries for {count} stages; give a list for each, [] "
            "where nothing is sent"
        )
    return tuple(as_pairs(pairs, f"transfers[{place}]") for place, pairs in enumerate(after))


def as_pairs(pairs: Any, name: str) -> tuple[Pair, ...]:
    """Pairs (source, target) of different scales, none twice."""
    result: list[Pair] = []
    for place, pair in enumerate(listed(pairs, name)):
        ends = listed(pair, f"{name}[{place}]")
        if len(ends) != 2:
            raise ValueError(f"{name}[{place}] = {shown(pair)} must be a pair (source, target)")
        source, target = (whole_number(end, f"{name}[{place}][{i}]") for i, end in enumerate(ends))
        if source == target:
            raise ValueError(f"{name}[{place}] sends scale {source} to itself; leave it out")
        if (source, target) in result:
            raise ValueError(f"{name}[{place}] = {(source, target)} is there twice; name it once")
        result.append((source, target))
    return tuple(result)


def parallel(num_scales: int, depth: int = 2) -> Schedule:
    """All scales at once: a coarser one joins in every ``depth`` stages, as in Li et al. 2021.

    Figure 2 of that paper (HGN) is ``parallel(3)``. The scales of a stage send to each other.

    Parameters
    ----------
    num_scales : int
    depth : int
        Stages before the next scale joins in.

    Returns
    -------
    Schedule

    Raises
    ------
    ValueError
        If there is no scale or no stage, or more than 64 or 4096.

    See Also
    --------
    u_net : down and up, with what was there beside
    v_cycle : down and up, with what was there added
    w_cycle : down twice before up
    multiscale_gcn.nn.Schedule : which scale works when

    Examples
    --------
    >>> parallel(3).stages
    ((0, 1), (0, 1), (0, 1, 2), (0, 1, 2))
    """
    num_scales, depth = _numbers(num_scales, depth)
    widths = range(min(num_scales, 2), num_scales + 1)
    return Schedule([tuple(range(width)) for width in widths for _ in range(depth)])


def u_net(num_scales: int, depth: int = 2) -> Schedule:
    """Down to the coarsest scale and up again; a scale that is returned to has both to read.

    The contracting and the expanding path of Ronneberger et al. 2015 (figure 1): on the way up the
    features that the scale had are concatenated with those from below.

    Parameters
    ----------
    num_scales : int
    depth : int
        Stages at every visit of a scale.

    Returns
    -------
    Schedule

    Raises
    ------
    ValueError
        If there is no scale or no stage, or more than 64 or 4096.

    See Also
    --------
    parallel : all scales at once
    v_cycle : down and up, with what was there added
    w_cycle : down twice before up
    multiscale_gcn.nn.Schedule : which scale works when

    Examples
    --------
    >>> u_net(2).stages
    ((0,), (0,), (1,), (1,), (0,), (0,))
    >>> u_net(2).transfers
    ((), ((0, 1),), (), ((1, 0),), (), ())
    """
    num_scales, depth = _numbers(num_scales, depth)
    return _route(_down_and_up(num_scales), depth, "concatenate")


def v_cycle(num_scales: int, depth: int = 1) -> Schedule:
    """Down to the coarsest scale and up again; what comes from below is a correction, and added.

    The V-cycle of multigrid: Briggs, Henson and McCormick 2000, A Multigrid Tutorial, chapter 3.

    Parameters
    ----------
    num_scales : int
    depth : int
        Stages at every visit of a scale.

    Returns
    -------
    Schedule

    Raises
    ------
    ValueError
        If there is no scale or no stage, or more than 64 or 4096.

    See Also
    --------
    parallel : all scales at once
    u_net : down and up, with what was there beside
    w_cycle : down twice before up
    multiscale_gcn.nn.Schedule : which scale works when

    Examples
    --------
    >>> v_cycle(3).stages
    ((0,), (1,), (2,), (1,), (0,))
    >>> v_cycle(3).transfers
    (((0, 1),), ((1, 2),), ((2, 1),), ((1, 0),), ())
    """
    num_scales, depth = _numbers(num_scales, depth)
    return _route(_down_and_up(num_scales), depth, "add")


def w_cycle(num_scales: int, depth: int = 1) -> Schedule:
    """Every scale sends down twice before it sends up: for more work on the coarse ones.

    The mu-cycle of multigrid with mu = 2, see :func:`v_cycle`; a visit that follows one of the same
    scale is one with it.

    Parameters
    ----------
    num_scales : int
        At most 12: the coarsest is visited 2^(num_scales - 2) times.
    depth : int
        Stages at every visit of a scale.

    Returns
    -------
    Schedule

    Raises
    ------
    ValueError
        If there is no scale or no stage, or more than 12 or 4096.

    See Also
    --------
    parallel : all scales at once
    u_net : down and up, with what was there beside
    v_cycle : down and up, with what was there added
    multiscale_gcn.nn.Schedule : which scale works when

    Examples
    --------
    >>> [k for stage in w_cycle(4).stages for k in stage]
    [0, 1, 2, 3, 2, 3, 2, 1, 2, 3, 2, 3, 2, 1, 0]
    """
    num_scales, depth = _numbers(num_scales, depth, most_scales=12)
    route = [0]
    for scale in _mu_cycle(0, num_scales):
        if scale != route[-1]:
            route.append(scale)
    return _route(route, depth, "add")


def _mu_cycle(scale: int, num_scales: int) -> list[int]:
    if scale == num_scales - 1:
        return [scale]
    below = _mu_cycle(scale + 1, num_scales)
    return [scale, *below, *below, scale]


def _down_and_up(num_scales: int) -> list[int]:
    return [*range(num_scales), *range(num_scales - 2, -1, -1)]


def _route(visits: list[int], depth: int, skips: Skips) -> Schedule:
    """One scale after the other; each sends to the next when its visit is over."""
    stages = [(scale,) for scale in visits for _ in range(depth)]
    sent: list[list[Pair]] = []
    for pair in pairwise(visits):
        sent += [[]] * (depth - 1) + [[pair]]
    return Schedule(stages, sent + [[]] * depth, skips)


def _numbers(num_scales: int, depth: int, most_scales: int = MOST_SCALES) -> tuple[int, int]:
    num_scales = whole_number(num_scales, "num_scales", least=1, most=most_scales)
    return num_scales, whole_number(depth, "depth", least=1, most=MOST_STAGES)


BY_NAME = {"parallel": parallel, "u_net": u_net, "v_cycle": v_cycle, "w_cycle": w_cycle}


def as_schedule(stages: Any, num_scales: int) -> Schedule:
    """A schedule from one, from its name, or from a list of stages."""
    if isinstance(stages, Schedule):
        return stages
    if isinstance(stages, str):
        one_of(stages, "stages", tuple(BY_NAME))
        return BY_NAME[stages](num_scales)
    return Schedule(stages)
