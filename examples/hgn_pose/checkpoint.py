"""Weights and training states as safetensors files, which remember the graphs they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from examples.hgn_pose.files import write_bytes
from examples.hgn_pose.training import EpochRecord, Trainer

FORMAT = "multiscale-gcn hgn_pose"
VERSION = 1
SHIPPED_WEIGHTS = Path(__file__).parent / "weights" / "hgn_cmu17.safetensors"
"""HGN as it comes with the example; the README beside it says how it was trained."""
_KEY = "hgn_pose"


@dataclass(frozen=True)
class Passport:
    """What a file of weights says about itself.

    Parameters
    ----------
    network : dict
        Name and options of the network, enough to build it again.
    fingerprint : str
        Of the hierarchy whose graphs the network runs on; empty for a network without one.
    facts : dict
        Anything else worth keeping, as JSON values: data, options, versions, errors.
    """

    network: dict[str, Any]
    fingerprint: str
    facts: dict[str, Any] = field(default_factory=dict)


def save_weights(path: Path, model: nn.Module, passport: Passport) -> None:
    """Write a model's tensors and its passport, whole or not at all.

    Parameters
    ----------
    path : Path
        File to write, ``.safetensors`` by custom.
    model : nn.Module
        Its ``state_dict`` is written.
    passport : Passport
        Kept in the file's metadata.
    """
    _write(path, model.state_dict(), "weights", asdict(passport))


def read_passport(path: Path) -> Passport:
    """Read what a file of weights says about itself, without its tensors.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it is not a file of weights that this example wrote.
    """
    return Passport(**_read(path, "weights")[0])


def load_weights(path: Path, model: nn.Module, fingerprint: str) -> Passport:
    """Load weights into a model that runs on the same graphs.

    Parameters
    ----------
    path : Path
        A file that :func:`save_weights` wrote.
    model : nn.Module
        Built as the file's passport says; it is changed in place.
    fingerprint : str
        Of the hierarchy that ``model`` was built on.

    Returns
    -------
    Passport

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is not ours, when its graphs are not the model's, or when its tensors do
        not fit.
    """
    content, tensors = _read(path, "weights")
    passport = Passport(**content)
    if passport.fingerprint != fingerprint:
        raise ValueError(
            f"{path} belongs to other graphs: its hierarchy has the fingerprint "
            f"{passport.fingerprint or '(none)'}, this one {fingerprint or '(none)'}; coarsen the "
            "same body with the same options and version, or train again"
        )
    _fill(path, model, tensors)
    return passport


def save_training(path: Path, trainer: Trainer, passport: Passport) -> None:
    """Write a training state, whole or not at all: weights, Adam's moments, options and records."""
    content = {
        "passport": asdict(passport),
        "options": trainer.options.as_json(),
        "records": [asdict(record) for record in trainer.records],
    }
    _write(path, trainer.tensors(), "training", content)


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
    content, tensors = _read(path, "training")
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


def _write(path: Path, tensors: dict[str, Tensor], kind: str, content: dict[str, Any]) -> None:
    header = {"format": FORMAT, "version": VERSION, "kind": kind, "content": content}
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_bytes(path, safetensors.torch.save(plain, {_KEY: json.dumps(header)}))


def _read(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; the train command writes one")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a safetensors file of this example: {error}") from None
    if header.get("format") != FORMAT:
        raise ValueError(
            f"{path} was not written by this example: its metadata lacks {FORMAT!r}; "
            "give a file that the train command wrote"
        )
    if header["version"] != VERSION:
        raise ValueError(
            f"{path} has format version {header['version']}, this code reads {VERSION}; "
            "use the release that wrote it"
        )
    if header["kind"] != kind:
        raise ValueError(f"{path} holds {header['kind']}, not {kind}; give the other file")
    return header["content"], tensors


def _fill(path: Path, model: nn.Module, tensors: dict[str, Tensor]) -> None:
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ValueError(
                f"{path} does not fit the model: tensor {name} has shape {found.get(name)}, "
                f"the model {expected.get(name)}; build the model that its passport names"
            )
    model.load_state_dict(tensors)
