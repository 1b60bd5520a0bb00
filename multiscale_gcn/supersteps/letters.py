"""Mail in files, for engines whose workers stay, and see one folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from multiscale_gcn.supersteps.messages import Mail
from multiscale_gcn.supersteps.task import Answer


def post(box: Path, answers: Mapping[int, Answer]) -> None:
    """Write what partitions send into the box of a superstep; nobody reads before all have
    written."""
    for sender, answer in answers.items():
        for receiver, one in answer.mail.items():
            folder = box / str(receiver)
            folder.mkdir(parents=True, exist_ok=True)
            np.savez(folder / str(sender), **one)  # type: ignore[arg-type]


def received(box: Path, partitions: Iterable[int]) -> dict[int, Mail]:
    """What lies there for some partitions; it is taken away."""
    inboxes = {}
    for receiver in partitions:
        inbox: Mail = {}
        for file in (box / str(receiver)).glob("*.npz"):
            with np.load(file) as arrays:
                inbox[int(file.stem)] = dict(arrays)
            file.unlink()
        inboxes[receiver] = inbox
    return inboxes
