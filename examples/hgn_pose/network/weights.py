"""Weights as safetensors files, which remember the graphs they belong to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from examples.hgn_pose.network.tensor_files import (
    REMEDY,
    check_tensors,
    read_tensors,
    write_tensors,
)
from multiscale_gcn.checks.arguments import shown

SHIPPED_WEIGHTS = Path(__file__).parents[1] / "weights" / "hgn_cmu17.safetensors"
"""HGN as it comes with the example; the README beside it says how it was trained."""

ROBUST_WEIGHTS = SHIPPED_WEIGHTS.with_name("hgn_cmu17_robust.safetensors")
"""The same network for real video."""

LIFTER_WEIGHTS = SHIPPED_WEIGHTS.with_name("body_streams_cmu17.safetensors")
"""Body streams, the best at the pose in the laboratory; they give no meshes."""

VIDEO_WEIGHTS = SHIPPED_WEIGHTS.with_name("body_streams_cmu17_robust.safetensors")
"""Body streams for real video, with meshes."""

CLIPS_WEIGHTS = SHIPPED_WEIGHTS.with_name("body_clips_cmu17_robust.safetensors")
"""Body clips for real video, which are given the frames around; they give no meshes."""

SHIPPED = {
    "studio": SHIPPED_WEIGHTS,
    "robust": ROBUST_WEIGHTS,
    "lifter": LIFTER_WEIGHTS,
    "video": VIDEO_WEIGHTS,
    "clips": CLIPS_WEIGHTS,
}
"""Weights that have a name of their own. Commands that ask about files of a detector take those of
``video`` if nobody says otherwise, and ``predict`` those of ``clips`` for clips; commands that
measure on the motion of the laboratory take those of ``studio``."""


def shipped_weights() -> tuple[Path, ...]:
    """The files of weights that came along."""
    return tuple(path for path in SHIPPED.values() if path.exists())


def weights_file(choice: Path) -> Path:
    """The file of weights that is meant by a path or a name of ``SHIPPED``.

    Raises
    ------
    FileNotFoundError
        When weights are named that did not come along.

    Examples
    --------
    >>> from pathlib import Path
    >>> from examples.hgn_pose.network.weights import weights_file
    >>> weights_file(Path("studio")).name, weights_file(Path("my/own")).name
    ('hgn_cmu17.safetensors', 'own')
    """
    path = SHIPPED.get(str(choice), choice)
    if path != choice and not path.exists():
        raise FileNotFoundError(
            f"the weights {choice!s} did not come with this copy; train them as weights/README.md "
            "says, or take those named studio"
        )
    return path


FACTS = {"data": str, "meshes": bool}
"""Facts that every passport has, and their types."""


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
    """Read what a file of weights says about itself; raises as :func:`read_weights`."""
    return read_weights(path)[0]


def read_weights(path: Path) -> tuple[Passport, dict[str, Tensor]]:
    """Read what a file of weights says about itself, and its tensors.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it is not a file of weights that this example wrote.
    """
    content, tensors = read_tensors(path, "weights")
    return as_passport(path, content), tensors


def as_passport(path: Path, content: dict[str, Any]) -> Passport:
    """The passport in the content of a file.

    Raises
    ------
    ValueError
        Naming what it lacks, or what is not of its type.
    """
    kinds: dict[str, type] = {"network": dict, "fingerprint": str, "facts": dict}
    if content.keys() != kinds.keys():
        raise ValueError(
            f"{path} is damaged: its passport holds {', '.join(map(repr, content))}, expected "
            f"{', '.join(map(repr, kinds))}; {REMEDY}"
        )
    for name, kind in kinds.items():
        _check_kind(path, name, content[name], kind)
    for name, kind in FACTS.items():
        _check_kind(path, f"facts.{name}", content["facts"].get(name), kind)
    return Passport(**content)


def _check_kind(path: Path, name: str, value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise ValueError(
            f"{path} is damaged: {name} in its passport is {shown(value)}, which is no "
            f"{kind.__name__}; {REMEDY}"
        )


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
    passport, tensors = read_weights(path)
    if passport.fingerprint != fingerprint:
        raise ValueError(
            f"{path} belongs to other graphs: its hierarchy has the fingerprint "
            f"{passport.fingerprint or '(none)'}, this one {fingerprint or '(none)'}; coarsen the "
            "same body with the same options and version, or train again"
        )
    check_tensors(path, tensors, model.state_dict())
    model.load_state_dict(tensors)
    return passport
