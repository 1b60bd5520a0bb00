"""Libraries that read files, imported when a file needs them."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any


def library(name: str, path: Path, remedy: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ImportError(
            f"reading {path.suffix} files needs {name.split('.')[0]}: {remedy}"
        ) from None
