"""Which data set, and how much of it, as the command line asks for it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.options import BodyOptions
from examples.hgn_pose.datasets.catalogue import CATALOGUE
from examples.hgn_pose.datasets.data_set import Request
from examples.hgn_pose.motion.footage import Footage
from examples.hgn_pose.motion.holding_out import hold_out, performer_name

NAMES = (
    "; ".join(f"{name}: {data_set.what}" for name, data_set in CATALOGUE.items())
    + ". All but builtin are files of yours, see --data-path."
)
"""Every data set in a few words, for help."""

if TYPE_CHECKING:
    DataSetName = str
    NameOrAuto = str
else:
    DataSetName = tyro.extras.literal_type_from_choices(CATALOGUE)
    NameOrAuto = tyro.extras.literal_type_from_choices(("auto", *CATALOGUE))

DataName = Annotated[DataSetName, tyro.conf.arg(help=NAMES)]
"""A name in the catalogue, as an option of a command."""

DataPath = Annotated[
    Path | None,
    tyro.conf.arg(
        help="The file or folder of the data set"
        + "".join(
            f"; for {name} by default what the environment variable {data_set.variable} names"
            for name, data_set in CATALOGUE.items()
            if data_set.variable
        )
        + "."
    ),
]
"""Where the data set is, as an option of a command."""


def _usual_strides(part: int) -> str:
    strides = {name: data_set.strides[part] for name, data_set in CATALOGUE.items()}
    own = ", ".join(f"{stride} ({name})" for name, stride in strides.items() if stride != 1)
    return f"by default {own} or 1"


_FOLDS = "; ".join(
    f"{name}: " + ", ".join(f"{k} holds out {' and '.join(f)}" for k, f in enumerate(entry.folds))
    for name, entry in CATALOGUE.items()
    if entry.folds
)


@dataclass(frozen=True)
class DataOptions:
    """Which motion, and how much of it."""

    data: Annotated[
        NameOrAuto,
        tyro.conf.arg(
            help="auto: what the weights were trained on if it is there, otherwise builtin; "
            + NAMES
        ),
    ] = "auto"
    data_path: DataPath = None
    keypoints: str = "gt"
    """2D joints of h36m-npz: those of data_2d_h36m_{keypoints}.npz, such as cpn_ft_h36m_dbb."""
    true_size: bool = False
    """mpi-inf-3dhp as published: take people as tall as they are, not scaled to one height."""
    train_every: Annotated[
        int | None,
        tyro.conf.arg(
            help=f"Take every so many-th frame of the training clips; {_usual_strides(0)}."
        ),
    ] = None
    test_every: Annotated[
        int | None,
        tyro.conf.arg(help=f"Take every so many-th frame of the test clips; {_usual_strides(1)}."),
    ] = None
    held_out: tuple[str, ...] = ()
    """Training performers to measure on, such as 1 9 of cmu17: they are not trained on, and the
    test performers are left out. For all that is chosen."""
    fold: Annotated[
        int | None,
        tyro.conf.arg(help=f"The held-out performers of a fixed fold, by its number. {_FOLDS}."),
    ] = None
    body: Annotated[BodyOptions, tyro.conf.arg(name="")] = field(default_factory=BodyOptions)
    fit_cache: Path = Path("runs/fits")
    """Folder for the bodies that are fitted to the motion, which takes minutes once, and for the
    coarse meshes of SMPL."""

    def __post_init__(self) -> None:
        for name in ("train_every", "test_every"):
            stride = getattr(self, name)
            if stride is not None and stride < 1:
                raise ValueError(f"{name} must be at least 1, got {stride}")
        if self.held_out and self.fold is not None:
            raise ValueError("fold names performers to hold out, and so does held_out; give one")

    def settled(self, trained_on: str = "builtin") -> DataOptions:
        """The same with a name instead of auto.

        Examples
        --------
        >>> from examples.hgn_pose.datasets.options import DataOptions
        >>> DataOptions().settled().data
        'builtin'
        >>> DataOptions(data_path="my/cmu17.npz").settled(trained_on="cmu17").data
        'cmu17'
        """
        if self.data != "auto":
            return self
        own = CATALOGUE.get(trained_on)
        there = self.data_path is not None or (own is not None and own.variable in os.environ)
        return replace(
            self, data=trained_on if own is not None and own.variable and there else "builtin"
        )

    def input_facts(self) -> dict[str, object]:
        """The options that make other inputs or targets of the same files, where they matter.

        Examples
        --------
        >>> from examples.hgn_pose.datasets.options import DataOptions
        >>> DataOptions().input_facts()
        {}
        >>> DataOptions("h36m-npz", keypoints="cpn_ft_h36m_dbb").input_facts()
        {'keypoints': 'cpn_ft_h36m_dbb'}
        """
        options = CATALOGUE[self.settled().data].options
        return {name: getattr(self, name) for name in options}

    def as_json(self) -> dict[str, object]:
        """All that tells runs on other data from this one, but for where the files are.

        Examples
        --------
        >>> from examples.hgn_pose.datasets.options import DataOptions
        >>> DataOptions("cmu17", fold=0, test_every=4).as_json()
        {'data': 'cmu17', 'train_every': 2, 'test_every': 4, 'held_out': ['1', '9']}
        """
        train_every, test_every = self.strides()
        return {
            "data": self.settled().data,
            "train_every": train_every,
            "test_every": test_every,
            "held_out": list(self.validation),
            **self.input_facts(),
        }

    @property
    def validation(self) -> tuple[str, ...]:
        """The training performers that are measured in place of the test ones; empty: nobody.

        Raises
        ------
        ValueError
            When the data set has no such fold.

        Examples
        --------
        >>> from examples.hgn_pose.datasets.options import DataOptions
        >>> DataOptions("cmu17", fold=0).validation
        ('1', '9')
        >>> DataOptions("cmu17", held_out=("05",)).validation, DataOptions("cmu17").validation
        (('5',), ())
        """
        if self.fold is None:
            return tuple(dict.fromkeys(performer_name(name) for name in self.held_out))
        name = self.settled().data
        folds = CATALOGUE[name].folds
        if not 0 <= self.fold < len(folds):
            there = f"it has folds 0 to {len(folds) - 1}" if folds else "it has none; use held_out"
            raise ValueError(f"fold = {self.fold} is no fold of {name}: {there}")
        return folds[self.fold]

    def strides(self) -> tuple[int, int]:
        """The two strides with their defaults filled in."""
        train, test = CATALOGUE[self.settled().data].strides
        return self.train_every or train, self.test_every or test

    def load_body(self) -> BodyModel:
        """The body, with its 17 joints where the data set has them."""
        return self.body.load(CATALOGUE[self.settled().data].joints)

    def read(self, *, test_only: bool = False) -> Footage:
        """Read the data set.

        Parameters
        ----------
        test_only : bool
            Frames for training may be left out, if that is faster.

        Raises
        ------
        ValueError
            When a path is needed and none is known, when the data are not usable, or when a
            performer who shall be held out is none of the training ones.
        """
        name = self.settled().data
        validation = self.validation
        data_set = CATALOGUE[name]
        path = self.data_path
        if path is None and os.environ.get(data_set.variable):
            path = Path(os.environ[data_set.variable])
        if path is None and data_set.expected:
            variable = f", or set the environment variable {data_set.variable}"
            raise ValueError(
                f"data_path is missing: {name} does not come with the example; give "
                f"--data-path: {data_set.expected}{variable if data_set.variable else ''}"
            )
        train_every, test_every = self.strides()
        if validation:
            train_every, test_only = math.gcd(train_every, test_every), False
        footage = data_set.read(
            Request(
                path or Path(), self.keypoints, self.true_size, train_every, test_every, test_only
            )
        )
        return hold_out(footage, validation) if validation else footage
