"""Safetensors files of this example: tensors of one kind, and JSON in the metadata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor

from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.files.writing import write_bytes

FORMAT = "multiscale-gcn hgn_pose"
VERSION = 1
REMEDY = "give a file that the train command wrote"
_KEY = "hgn_pose"
_CHECKSUM = "checksum"


def write_tensors(
    path: Path, tensors: dict[str, Tensor], kind: str, content: dict[str, Any]
) -> None:
    """Write tensors of one kind, with content that JSON can hold, whole or not at all.

    A checksum of all that the file holds stands in its metadata.
    """
    header = {"format": FORMAT, "version": VERSION, "kind": kind, "content": content}
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    header = json.loads(json.dumps(header))  # as it will be read
    text = json.dumps({**header, _CHECKSUM: checksum(header, plain)})
    write_bytes(path, safetensors.torch.save(plain, {_KEY: text}))


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Content and tensors of a file of one kind.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it is not a file of this kind that this example wrote, or is not as it was written.
        Files from before there were checksums are taken at their word.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; the train command writes one")
    with reading(path, REMEDY):
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads((file.metadata() or {}).get(_KEY, "{}"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except Exception as error:  # whatever safetensors and json say of foreign bytes
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(
                f"{path} is not a safetensors file of this example: {reason}; {REMEDY}"
            ) from None
        _check_header(path, header, kind)
        kept = header.pop(_CHECKSUM, None)
        if kept is not None and kept != checksum(header, tensors):
            raise ValueError(
                f"{path} is damaged: its checksum is not that of what it holds; copy it again, or "
                "train again"
            )
    return header["content"], tensors


def checksum(header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the header and of every tensor with its name, type and shape, as 64 hex digits."""
    digest = hashlib.sha256()
    parts = [json.dumps(header, sort_keys=True).encode()]
    for name, value in sorted(tensors.items()):
        parts.append(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        parts.append(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def check_tensors(path: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are not those expected, by name, shape and type, or not finite.

    Raises
    ------
    ValueError
        Naming the first tensor that is wrong.
    """
    for name in sorted(expected.keys() | found.keys()):
        here, there = _form(expected.get(name)), _form(found.get(name))
        if here != there:
            raise ValueError(
                f"{path} does not fit the model: tensor {name} has {there}, in the model {here}; "
                "build the model that its passport names"
            )
        if not torch.isfinite(found[name]).all():
            raise ValueError(
                f"{path} is damaged: tensor {name} is not finite; copy it again, or train again"
            )


def _form(tensor: Tensor | None) -> str:
    return "no place" if tensor is None else f"shape {tuple(tensor.shape)} and {tensor.dtype}"


def _check_header(path: Path, header: Any, kind: str) -> None:
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(
            f"{path} was not written by this example: its metadata lacks {FORMAT!r}; {REMEDY}"
        )
    if header.get("version") != VERSION:
        raise ValueError(
            f"{path} has format version {header.get('version')!r}, this code reads {VERSION}; "
            "use the release that wrote it"
        )
    if header.get("kind") != kind:
        raise ValueError(f"{path} holds {header.get('kind')}, not {kind}; give the other file")
    if header.keys() - {_CHECKSUM} != {"format", "version", "kind", "content"}:
        raise ValueError(
            f"{path} is damaged: its metadata hold {', '.join(map(repr, header))}; {REMEDY}"
        )
    if not isinstance(header["content"], dict):
        raise ValueError(f"{path} is damaged: its content is no object of JSON; {REMEDY}")
