"""What the layers of a network read: from which level, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from multiscale_gcn.checks.arguments import items, shown, whole_number

MOST_HOPS = 1 << 16
"""No network has as many layers."""

Read = tuple[int, int]


@dataclass(frozen=True)
class ReceptiveField:
    """What each layer of a network reads, from the first layer to the last.

    Parameters
    ----------
    steps : sequence of sequences of pairs (source, target) of int
        The reads of each step, by the indices of levels. In a step nodes of level ``target`` read
        level ``source``: their neighbours if both are one level, their descendants if the source is
        finer, and the nodes that they belong to, or are interpolated from, if it is coarser. All
        keep what they had. The reads of one step see what was there before it.

    Raises
    ------
    ValueError
        For a read that is no pair of levels, naming it.

    Examples
    --------
    Two convolutions on the finest graph:

    >>> from multiscale_gcn import ReceptiveField
    >>> ReceptiveField.of_hops(2).steps
    (((0, 0),), ((0, 0),))

    A convolution on either side of a way down to level 3 and back:

    >>> ReceptiveField([[(0, 0)], [(0, 3)], [(3, 3)], [(3, 0)], [(0, 0)]]).levels
    (0, 3)
    """

    steps: Sequence[Sequence[Read]]

    def __post_init__(self) -> None:
        steps = tuple(
            tuple(_read(pair, f"steps[{place}][{i}]") for i, pair in enumerate(_all(step, place)))
            for place, step in enumerate(items(self.steps, "steps"))
        )
        object.__setattr__(self, "steps", steps)

    @classmethod
    def of_hops(cls, hops: int, level: int = 0) -> ReceptiveField:
        """Of so many layers in a row, each of which reads the neighbours of a node.

        Parameters
        ----------
        hops : int
        level : int
            Where the layers are.

        Returns
        -------
        ReceptiveField

        Raises
        ------
        ValueError
            If one is no number from 0.

        Examples
        --------
        >>> from multiscale_gcn import ReceptiveField
        >>> ReceptiveField.of_hops(3, level=2)
        ReceptiveField(3 steps on levels [2])
        """
        hops = whole_number(hops, "hops", least=0, most=MOST_HOPS)
        level = whole_number(level, "level", least=0)
        return cls([[(level, level)]] * hops)

    @property
    def levels(self) -> tuple[int, ...]:
        """All that are read or read others, finest first."""
        return tuple(sorted({level for step in self.steps for pair in step for level in pair}))

    @property
    def with_neighbours(self) -> tuple[int, ...]:
        """The levels on which nodes read their neighbours, finest first."""
        return tuple(sorted({i for step in self.steps for i, j in step if i == j}))

    def __repr__(self) -> str:
        return f"ReceptiveField({len(self.steps)} steps on levels {list(self.levels)})"


def as_field(halo: Any, num_levels: int) -> ReceptiveField:
    """A receptive field, or a number of hops on the finest level, that fits a hierarchy.

    Raises
    ------
    ValueError
        If it is neither, or names a level that is not there.
    """
    if not isinstance(halo, ReceptiveField):
        try:
            hops = whole_number(halo, "halo", least=0, most=MOST_HOPS)
        except ValueError as error:
            raise ValueError(f"{error}, or a ReceptiveField") from None
        return ReceptiveField.of_hops(hops)
    if halo.levels and halo.levels[-1] >= num_levels:
        raise ValueError(
            f"halo reads level {halo.levels[-1]}; the hierarchy has levels 0 to {num_levels - 1}"
        )
    return halo


def _all(step: Any, place: int) -> Any:
    return items(step, f"steps[{place}]")


def _read(pair: Any, name: str) -> Read:
    ends = list(items(pair, name))
    if len(ends) != 2:
        raise ValueError(f"{name} = {shown(pair)} must be a pair (source, target) of levels")
    source, target = (whole_number(end, f"{name}[{i}]", least=0) for i, end in enumerate(ends))
    return source, target
