"""What is done by whom in front of which camera, sample by sample, for tables of errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True, eq=False)
class Column:
    """One name for each of S samples.

    Parameters
    ----------
    code : array of int64, shape (S,)
        Row of ``names``.
    names : tuple of str
        Sorted, every one of them in use.

    Examples
    --------
    >>> from examples.hgn_pose.samples.labels import Column
    >>> column = Column.of(["walk", "run", "walk"])
    >>> column.code.tolist(), column.names
    ([1, 0, 1], ('run', 'walk'))
    >>> column.of_samples().tolist()
    ['walk', 'run', 'walk']
    """

    code: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str] | np.ndarray, rows: np.ndarray | None = None) -> Column:
        """From the name of each sample, or from a table of names and the row of each sample."""
        code = np.arange(len(names)) if rows is None else rows
        table, place = np.unique(np.asarray(names, dtype=str), return_inverse=True)
        used, code = np.unique(place[code], return_inverse=True)
        return cls(code.astype(np.int64), tuple(table[used].tolist()))

    def __len__(self) -> int:
        return len(self.code)

    def of_samples(self) -> np.ndarray:  # [S] str
        """The names, written out."""
        return np.array(self.names, dtype=str)[self.code]


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of S samples; errors are grouped by them."""

    action: Column
    """What is done, without the number of the take: ``Walking``."""
    subject: Column
    """Who does it: ``S9``. For the test set of MPI-INF-3DHP the sequence: ``TS1``."""
    camera: Column
    """Which camera sees it."""

    def __post_init__(self) -> None:
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"labels differ in their number of samples: {lengths}")

    def __len__(self) -> int:
        return len(self.action)
