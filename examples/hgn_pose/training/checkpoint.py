"""Training states as files, from which a run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.network.tensor_files import check_tensors, read_tensors, write_tensors
from examples.hgn_pose.network.weights import Passport, as_passport
from examples.hgn_pose.training.trainer import EpochRecord, Trainer
from multiscale_gcn.checks.arguments import real_number, shown

REMEDY = "give a state that the train command wrote, or start anew"


def save_training(path: Path, trainer: Trainer, passport: Passport) -> None:
    """Write a training state, whole or not at all: all tensors of a trainer, options, records."""
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
        with other options, or lacks a tensor.
    """
    content, tensors = read_tensors(path, "training")
    with reading(path, REMEDY):
        records = _records(content["records"])
        as_passport(path, content["passport"])
    here = {**_flat(asdict(passport)), **_flat({"options": trainer.options.as_json()})}
    there = {**_flat(content["passport"]), **_flat({"options": content["options"]})}
    if trainer.options.schedule == "step":
        here.pop("options.epochs")
        there.pop("options.epochs", None)
    for name in sorted(here.keys() | there.keys()):
        if here.get(name) != there.get(name):
            raise ValueError(
                f"{path} cannot be resumed: its {name} is {there.get(name)!r}, "
                f"not {here.get(name)!r}; give the options of the first run, or start anew"
            )
    if len(records) > trainer.options.epochs:
        raise ValueError(
            f"{path} has {len(records)} epochs behind it, more than the "
            f"{trainer.options.epochs} asked for; raise epochs"
        )
    if trainer.options.keep == "best" and any(record.error is None for record in records):
        raise ValueError(
            f"{path} is damaged: it lacks errors of epochs, by which the best is kept; {REMEDY}"
        )
    check_tensors(path, tensors, trainer.template(len(records)))
    trainer.restore(tensors, records)


def _records(stored: list[dict[str, Any]]) -> list[EpochRecord]:
    records = [EpochRecord(**record) for record in stored]
    for place, record in enumerate(records):
        if record.epoch != place:
            raise ValueError(f"its record {place} is of epoch {shown(record.epoch)}")
        for name in ("loss", "pose_loss", "mesh_loss"):
            real_number(getattr(record, name), f"{name} of epoch {place}")
        if record.error is not None:
            real_number(record.error, f"error of epoch {place}")
    return records


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            flat |= _flat(inner, f"{prefix}{key}.")
        else:
            flat[prefix + key] = inner
    return flat
