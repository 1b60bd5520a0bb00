"""What is known of a data set beside its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from examples.hgn_pose.body.skeleton import JointPlaces
from examples.hgn_pose.motion.footage import Footage


@dataclass(frozen=True)
class Request:
    """What is asked of a reader."""

    path: Path
    keypoints: str = "gt"
    true_size: bool = False
    train_every: int = 1
    test_every: int = 1
    test_only: bool = False
    """Whether the frames for training may be left out."""


@dataclass(frozen=True)
class DataSet:
    """What a reader's file says of its data set, under the name ``DATA_SET``."""

    name: str
    """For ``--data``."""
    read: Callable[[Request], Footage]
    what: str
    """In a few words, for help and for tables."""
    expected: str
    """What --data-path must name; empty if there is no path."""
    joints: JointPlaces = "human36m17"
    """Where its ``Nose`` and ``Head`` are."""
    strides: tuple[int, int] = (1, 1)
    """Every so many-th frame for training and for the test, by default."""
    options: tuple[str, ...] = ()
    """Fields of :class:`Request` beside the path that make other inputs or targets of it."""
    variable: str = ""
    """The environment variable that names its path, if there is one."""
    notes: tuple[str, ...] = ()
    """What to keep in mind about its figures."""
    folds: tuple[tuple[str, ...], ...] = ()
    """Its training performers in groups, each of which is held out in one fold."""
