"""What may be asked of objects of other libraries, which raise whatever they like."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_tensor(source: Any) -> bool:
    return has(source, "detach", "layout")


def tensor_to_array(tensor: Any) -> np.ndarray:
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if str(tensor.dtype) == "torch.bfloat16" or "float8" in str(tensor.dtype):  # numpy has none
        tensor = tensor.float()
    array: np.ndarray = tensor.numpy()
    return array


def has(source: Any, *names: str) -> bool:
    return all(attribute(source, name) is not None for name in names)


def attribute(source: Any, name: str) -> Any:
    """None where the object has it not, or raises whatever it likes."""
    try:
        return getattr(source, name, None)
    except Exception:
        return None
