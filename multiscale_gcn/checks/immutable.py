"""Arrays that nobody may change."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Self

import numpy as np


def read_only(array: np.ndarray) -> np.ndarray:
    """A view of the array that cannot be written to; the array itself stays as it is.

    So ``torch.compile``, which lifts the flag for a moment of arrays that it traces, still can.
    """
    view = array.view()
    view.flags.writeable = False
    return view


class ReadOnlyArrays:
    """Base of frozen dataclasses: their arrays are read-only, in copies and pickles too.

    Who derives from it checks and copies in ``__post_init__`` what comes from outside, so that no
    other name for an array is left by which it could change.
    """

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, field.name, read_only(value))

    @classmethod
    def _of_valid(cls, **values: Any) -> Self:
        """Of arrays that an algorithm made, which nobody else holds: neither checked nor copied."""
        made = object.__new__(cls)
        for field in fields(cls):  # type: ignore[arg-type]
            value = values[field.name]
            if isinstance(value, np.ndarray):
                value = read_only(value)
            object.__setattr__(made, field.name, value)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
