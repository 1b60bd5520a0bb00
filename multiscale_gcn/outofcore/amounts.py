"""How much memory, as people say it."""

from __future__ import annotations

import re
from typing import Any

from multiscale_gcn.checks.arguments import shown, whole_number

UNITS = {
    "": 1, "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
LEAST = 10**6
MOST = 2**60


def as_bytes(value: Any, name: str) -> int:
    """A number of bytes, or a text such as ``"4GB"`` or ``"512 MiB"``, as a number of bytes.

    Raises
    ------
    ValueError
        For other texts, and for less than 1 MB.

    Examples
    --------
    >>> from multiscale_gcn.outofcore.amounts import as_bytes
    >>> as_bytes("1.5GB", "memory")
    1500000000
    """
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d{1,18}(?:\.\d{1,18})?)\s*([a-zA-Z]*)\s*", value)
        if found is None or found[2].lower() not in UNITS:
            raise ValueError(
                f"{name} = {shown(value)} is no amount of memory; say '4GB' or '512 MiB', or the "
                "bytes as an integer"
            )
        value = int(float(found[1]) * UNITS[found[2].lower()])
    return whole_number(value, name, least=LEAST, most=MOST)
