"""Numbers and flags that users give: checked, and made Python's own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Real
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
        number = None
    if number is None or isinstance(value, bool):
        raise ValueError(f"{name} = {shown(value)} must be an integer")
    if least is not None and number < least:
        raise ValueError(f"{name} = {number} must be at least {least}")
    if most is not None and number > most:
        raise ValueError(f"{name} = {number} must be at most {most}")
    return number


def whole_numbers(values: Any, name: str, most: int) -> set[int]:
    """The different ones of a list of integers, of which there may be at most so many.

    Raises
    ------
    ValueError
        Naming the first place that is wrong; nothing is read beyond the number that is allowed.
    """
    found: set[int] = set()
    for i, value in enumerate(items(values, name)):
        if i >= most:
            raise ValueError(f"{name} has more than {most} entries; name each number once")
        found.add(whole_number(value, f"{name}[{i}]"))
    return found


def items(values: Any, name: str) -> Iterator[Any]:
    """What a list, or anything that is one, has in it.

    Raises
    ------
    ValueError
        Naming the argument, if there is nothing to go through.
    """
    try:
        return iter(values)
    except Exception:  # whatever an object says that cannot be gone through
        text = shown(values)
        raise ValueError(f"{name} = {text} must be a list of them; say {name}=[{text}]") from None


def flag(value: Any, name: str) -> bool:
    """The value as a bool, Python's own or NumPy's.

    Raises
    ------
    ValueError
        Naming the argument, if it is anything else.
    """
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise ValueError(f"{name} = {shown(value)} must be True or False")


def real_number(
    value: Any,
    name: str,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    most: float = math.inf,
    finite: bool = True,
) -> float:
    """The value as a float, whatever type of real number it has.

    Raises
    ------
    ValueError
        Naming the argument, if it is no number, not above ``above``, less than ``least``, more
        than ``most``, or not finite where it must be.
    """
    is_number = isinstance(value, Real | np.integer | np.floating)
    if not is_number or isinstance(value, bool):
        raise ValueError(f"{name} = {shown(value)} must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    unfit = math.isnan(number) or number <= above or not least <= number <= most
    if unfit or (finite and math.isinf(number)):
        demands = ["positive" if above == 0 else f"above {above:g}"] * (above > -math.inf)
        demands += [f"at least {least:g}"] * (least > -math.inf)
        demands += [f"at most {most:g}"] * (most < math.inf)
        demands += ["finite"] * finite
        raise ValueError(f"{name} = {shown(value)} must be {' and '.join(demands) or 'a number'}")
    return number


def one_of(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """The value, which must be one of these texts.

    Raises
    ------
    ValueError
        Naming the argument and the choices.
    """
    if isinstance(value, str) and value in choices:
        return value
    listed = ", ".join(map(repr, choices))
    if len(choices) == 2:
        raise ValueError(f"{name} = {shown(value)} is neither {choices[0]!r} nor {choices[1]!r}")
    raise ValueError(f"{name} = {shown(value)} is none of {listed}")


def instance(value: Any, name: str, kind: Any, remedy: str) -> Any:
    """The value, which must be of this class.

    Raises
    ------
    TypeError
        Naming the argument, the class and the remedy.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} = {shown(value)} must be a {kind.__name__}; {remedy}")
    return value


def shown(value: Any) -> str:
    """The value as messages show it: in one short line, whatever it is."""
    try:
        text = repr(value)
    except Exception:  # an object of somebody's own
        text = f"<{type(value).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:60]}... ({type(value).__name__})"
