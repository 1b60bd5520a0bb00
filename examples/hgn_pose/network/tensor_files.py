"""Safetensors files of this example: tensors of one kind, and JSON in the metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from examples.hgn_pose.files.writing import write_bytes

FORMAT = "multiscale-gcn hgn_pose"
VERSION = 1
_KEY = "hgn_pose"


def write_tensors(
    path: Path, tensors: dict[str, Tensor], kind: str, content: dict[str, Any]
) -> None:
    """Write tensors of one kind, with content that JSON can hold, whole or not at all."""
    header = {"format": FORMAT, "version": VERSION, "kind": kind, "content": content}
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_bytes(path, safetensors.torch.save(plain, {_KEY: json.dumps(header)}))


def read_tensors(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Content and tensors of a file of one kind.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When it is not a file of this kind that this example wrote.
    """
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
