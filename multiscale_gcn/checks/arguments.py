"""Numbers and flags that users give: checked, and made Python's own."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np


def whole_number(value: Any, name: str, least: int | None = None, most: int | None = None) -> int:
    """The value as an int, whatever type of integer it has; sums of ints never overflow.

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


def flag(value: Any, name: str) -> bool:
    """The value as a bool, Python's own or NumPy's.

    Raises
    ------
    ValueError
        Naming the argument, if it is anything else.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise ValueError(f"{name} = {value!r} must be True or False")
