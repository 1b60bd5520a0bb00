"""Arrays that users give: read as they are meant, or refused with the place that is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from multiscale_gcn.checks.foreign import attribute, is_tensor, tensor_to_array

LARGEST_INT64 = 2**63 - 1


def plain_array(values: Any, name: str) -> np.ndarray:
    """What users give as an array; nothing of it is left out, and nothing is made up.

    Parameters
    ----------
    values
        An array, a list, a tensor on any device.
    name : str
        Of the argument.

    Raises
    ------
    ValueError
        For masked entries, tensors that require grad, and lists of unequal length.
    TypeError
        For what is no array at all.
    """
    if isinstance(values, np.ma.MaskedArray):
        masked = np.argwhere(np.ma.getmaskarray(values))
        if len(masked):
            place = ", ".join(map(str, masked[0].tolist()))
            raise ValueError(f"{name}[{place}] is masked; fill such entries in or leave them out")
        return values.data
    if attribute(values, "requires_grad"):
        raise ValueError(
            f"{name} requires grad, and NumPy knows no gradients; give {name}.detach(), or take "
            "the layers of multiscale_gcn.nn, which have them"
        )
    if isinstance(values, str | bytes | dict | set | frozenset):
        raise TypeError(f"{name} is a {type(values).__name__}; give an array or a list of numbers")
    try:
        if is_tensor(values):
            values = tensor_to_array(values)
        return np.asarray(values)
    except Exception as error:  # whatever the object raises when NumPy asks it for its items
        if "inhomogeneous" in str(error):
            raise ValueError(
                f"{name} is a list of lists of unequal lengths; give an array"
            ) from None
        kind = type(values).__name__
        raise TypeError(f"{name} is a {kind}, which is no array; give one") from None


def integer_array(values: Any, name: str, kinds: str = "ui") -> np.ndarray:
    """A copy as int64, of integers of any type; an empty list is an array without entries.

    Raises
    ------
    ValueError
        For what is not integers, and for such as int64 does not hold, with the first of them.
    TypeError
        For what is no array at all.
    """
    array = plain_array(values, name)
    if array.size == 0 and array.dtype.kind not in "OUSMm":
        return array.astype(np.int64)
    if array.dtype.kind == "O" and all(isinstance(item, int) for item in array.flat):
        _refuse_large(array, name)
    if array.dtype.kind not in kinds:
        raise ValueError(f"{name} must hold integers, got dtype {array.dtype}; cast it yourself")
    if array.dtype.kind == "u" and array.dtype.itemsize == 8:
        _refuse_large(array, name)
    return array.astype(np.int64)


def real_array(values: Any, name: str) -> np.ndarray:
    """An array of real numbers in its own type, which may be the one that was given.

    Raises
    ------
    ValueError
        For text, dates, complex numbers and other objects.
    TypeError
        For what is no array at all.
    """
    array = plain_array(values, name)
    if array.dtype.kind not in "buif":
        raise ValueError(
            f"{name} must hold real numbers, got dtype {array.dtype}; cast it yourself"
        )
    return array


def _refuse_large(array: np.ndarray, name: str) -> None:
    large = np.argwhere((array > LARGEST_INT64) | (array < -LARGEST_INT64 - 1))
    if len(large):
        place = tuple(large[0].tolist())
        raise ValueError(
            f"{name}[{', '.join(map(str, place))}] = {array[place]} does not fit into int64; "
            "number what occurs with numpy.unique(..., return_inverse=True)"
        )
