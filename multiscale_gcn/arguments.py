"""Whole numbers that users give: checked, and made Python's own, whose sums never overflow."""

from __future__ import annotations

from operator import index
from typing import Any


def whole_number(value: Any, name: str, least: int | None = None, most: int | None = None) -> int:
    """The value as an int, whatever type of integer it has.

    Raises
    ------
    ValueError
        Naming the argument, if it is no integer or lies outside.
    """
    try:
        number = index(value)
    except TypeError:
        raise ValueError(f"{name} = {value!r} must be an integer") from None
    if least is not None and number < least:
        raise ValueError(f"{name} = {number} must be at least {least}")
    if most is not None and number > most:
        raise ValueError(f"{name} = {number} must be at most {most}")
    return number
