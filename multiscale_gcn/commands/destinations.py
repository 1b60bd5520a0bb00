"""Where results are to be written: looked at before the work begins, not when it is done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from multiscale_gcn.checks.writing import place_of

PAPER = (
    ".eps", ".jpeg", ".jpg", ".pdf", ".png", ".ps", ".svg", ".tif", ".tiff", ".webp",
)  # fmt: skip
"""Suffixes of pictures that matplotlib writes."""


def check_destination(path: Path, option: str, suffixes: Sequence[str]) -> None:
    """Refuse a path that cannot be written, or whose suffix says that it holds something else.

    A path without a suffix is taken.

    Raises
    ------
    ValueError
        For another suffix.
    OSError
        For a path at which no file can be written.
    """
    suffix = path.suffix.lower()
    if suffix and suffix not in suffixes:
        raise ValueError(
            f"--{option} {path} ends in {suffix}, and what is written there in "
            f"{' or '.join(suffixes)}; name it so"
        )
    place_of(path)
