"""Training states as files, from which a run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from examples.hgn_pose.network.tensor_files import read_tensors, write_tensors
from examples.hgn_pose.network.weights import Passport
from examples.hgn_pose.training.trainer import EpochRecord, Trainer


def save_training(path: Path, trainer: Trainer, passport: Passport) -> None:
    """Write a training state, whole or not at all: weights, Adam's moments, options and records."""
    content = {
        "passport": asdict(passport),
        "options": trainer.options.as_json(),
        "records": [asdict(record) for record in trainer.records],
    }
    write_tensors(path, trainer.tensors(), "training", content)


def resume_training(path: Path, trainer: Trainer, passport: Passport) -> None:
    """Bring a trainer to the state of a file, so that it goes on as if it had never stopped.

    Parameters
    ----------
    path : Path
        A file that :func:`save_training` wrote.
    trainer : Trainer
        Built with the same options; ``epochs`` may differ under the step schedule.
    passport : Passport
        Of the trainer's network; its network, fingerprint and data must be the file's.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is not ours or was made by another network, on other graphs or data, or
        with other options.
    """
    content, tensors = read_tensors(path, "training")
    here = {**_flat(asdict(passport)), **_flat({"options": trainer.options.as_json()})}
    there = {**_flat(content["passport"]), **_flat({"options": content["options"]})}
    if trainer.options.schedule == "step":
        here.pop("options.epochs")
        there.pop("options.epochs")
    for name in sorted(here.keys() | there.keys()):
        if here.get(name) != there.get(name):
            raise ValueError(
                f"{path} cannot be resumed: its {name} is {there.get(name)!r}, "
                f"not {here.get(name)!r}; give the options of the first run, or start anew"
            )
    if len(content["records"]) > trainer.options.epochs:
        raise ValueError(
            f"{path} has {len(content['records'])} epochs behind it, more than the "
            f"{trainer.options.epochs} asked for; raise epochs"
        )
    trainer.restore(tensors, [EpochRecord(**record) for record in content["records"]])


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            flat |= _flat(inner, f"{prefix}{key}.")
        else:
            flat[prefix + key] = inner
    return flat
