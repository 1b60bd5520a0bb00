"""Flags and numbers that the operators are given: checked, and made Python's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def flag(value: Any, name: str) -> bool:
    """The value as a bool, Python's own or NumPy's."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise ValueError(f"{name} = {shown(value)} must be True or False")


def real_number(value: Any, name: str, *, above: float = -math.inf) -> float:
    """The value as a finite float, whatever type of real number it has."""
    number_like = isinstance(value, (int, float, np.integer, np.floating))
    if not number_like or isinstance(value, bool):
        raise ValueError(f"{name} = {shown(value)} must be a number")
    if not above < value < math.inf:
        demand = "positive and finite" if above == 0 else "finite"
        raise ValueError(f"{name} = {shown(value)} must be {demand}")
    return float(value)


def whole_number(value: Any, name: str) -> int:
    """The value as an int of at least 0, whatever type of integer it has."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} = {shown(value)} must be an integer of at least 0")
    return int(value)


def shown(value: Any) -> str:
    """The value as messages show it: in one short line, whatever it is."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an object of somebody's own
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:60]}... ({type(value).__name__})"
