"""Weights as safetensors files, which remember the graphs they belong to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from examples.hgn_pose.network.tensor_files import read_tensors, write_tensors

SHIPPED_WEIGHTS = Path(__file__).parents[1] / "weights" / "hgn_cmu17.safetensors"
"""HGN as it comes with the example; the README beside it says how it was trained."""


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
    write_tensors(path, model.state_dict(), "weights", asdict(passport))


def read_passport(path: Path) -> Passport:
    """Read what a file of weights says about itself, without its tensors.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it is not a file of weights that this example wrote.
    """
    return Passport(**read_tensors(path, "weights")[0])


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
    content, tensors = read_tensors(path, "weights")
    passport = Passport(**content)
    if passport.fingerprint != fingerprint:
        raise ValueError(
            f"{path} belongs to other graphs: its hierarchy has the fingerprint "
            f"{passport.fingerprint or '(none)'}, this one {fingerprint or '(none)'}; coarsen the "
            "same body with the same options and version, or train again"
        )
    _fill(path, model, tensors)
    return passport


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
