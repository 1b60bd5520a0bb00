"""Files of strangers: whatever is wrong with one ends in a sentence that names it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

LONGEST, HEAD, TAIL = 1500, 900, 300
"""Characters of a message; of longer ones the beginning and the end are kept."""


@contextmanager
def reading(source: str | Path, remedy: str) -> Iterator[None]:
    """Whatever goes wrong inside is a ValueError that names the source and ends in the remedy.

    Errors that name the source already are passed on. Numbers that overflow are errors too.

    Parameters
    ----------
    source : str or Path
        The file or folder that is read.
    remedy : str
        What to do, where the error does not say it.

    Examples
    --------
    >>> from examples.hgn_pose.files.reading import reading
    >>> with reading("poses.json", "write it again"):
    ...     {}["joints"]
    Traceback (most recent call last):
    ValueError: poses.json cannot be used: it lacks 'joints'; write it again
    """
    try:
        with np.errstate(over="raise"):
            yield
    except Exception as error:  # whatever Python, NumPy and others say of foreign bytes
        known = isinstance(error, ValueError) or (isinstance(error, OSError) and not error.errno)
        if known and str(source) in str(error):
            if _short(str(error)) == str(error):
                raise
            raise ValueError(_short(str(error))) from error
        reason = _reason(error)
        if "; " not in reason:
            reason = f"{reason}; {remedy}"
        raise ValueError(f"{source} cannot be used: {_short(reason)}") from error


def numbers(value: Any, where: str) -> np.ndarray:
    """An array of real numbers from what a file holds: an array, or lists of numbers.

    Raises
    ------
    ValueError
        If it is anything else; text is not made into numbers.
    """
    if not isinstance(value, np.ndarray):
        value = np.array(value, dtype=np.float64)
    if value.dtype.kind not in "biuf":
        raise ValueError(f"{where}: it is {value.dtype} of shape {value.shape}, expected numbers")
    array: np.ndarray = value
    return array


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, OSError):
        text = error.strerror or text
    elif isinstance(error, KeyError):
        text = f"it lacks {text}"
    elif isinstance(error, MemoryError):
        text = "it asks for more memory than there is"
    elif isinstance(error, RecursionError):
        text = "it is nested too deep"
    elif isinstance(error, OverflowError | FloatingPointError) or "integer string" in text:
        text = "a number in it is too large"
    elif not isinstance(error, ValueError):
        text = f"{type(error).__name__} {text}"
    return (text or type(error).__name__).rstrip(".")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:HEAD]} ... {text[-TAIL:]}"
