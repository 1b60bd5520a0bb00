"""Checks of the tensors and matrices that meet a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from multiscale_gcn.ops.kernels.number_types import DTYPES
from multiscale_gcn.ops.operand_checks import check_one_type, check_operands


def check_sparse(matrix: Any, name: str) -> None:
    import scipy.sparse as sp

    if not sp.issparse(matrix):
        raise ValueError(f"{name} is a {type(matrix).__name__}; give a scipy.sparse matrix")
    if matrix.ndim != 2:
        raise ValueError(f"{name} has shape {matrix.shape}, expected (M, N); reshape it")


def check_features(x: Tensor, nodes: int | None, channels: int | None, name: str = "x") -> None:
    """Refuse features that are not [B, nodes, channels]; None: any number."""
    if not (isinstance(x, Tensor) and x.dtype in DTYPES and x.layout is torch.strided):
        check_operands(**{name: x})
    shape = x.shape
    if len(shape) != 3:
        alone = len(shape) == 2 and nodes in (None, shape[0])
        remedy = f"; one member is a batch too: {name}[None]" if alone else ""
        raise ValueError(
            f"{name} has shape {list(x.shape)}, expected {_expected(nodes, channels)}{remedy}"
        )
    if nodes is not None and shape[1] != nodes:
        raise ValueError(
            f"{name} has {x.shape[1]} nodes on axis 1, the graph has {nodes}: "
            f"shape {list(x.shape)}, expected {_expected(nodes, channels)}"
        )
    if channels is not None and shape[2] != channels:
        raise ValueError(
            f"{name} has {x.shape[2]} channels on axis 2, the layer takes {channels}: "
            f"shape {list(x.shape)}, expected {_expected(nodes, channels)}"
        )


def _expected(nodes: int | None, channels: int | None) -> str:
    return f"[B, {'N' if nodes is None else nodes}, {'C' if channels is None else channels}]"


def check_fits_layer(weight: Tensor, **features: Tensor) -> None:
    """Refuse features of another type than a layer's weight, or on another device."""
    tensors = {**features, "the weight of the layer": weight}
    check_operands(**tensors)
    check_one_type(**tensors)


def check_alike(features: Sequence[Tensor], name: str, same_channels: bool = True) -> None:
    """Refuse features [B, N_k, C] that do not have B, and C if wanted, in common."""
    first = features[0]
    for place, x in enumerate(features):
        channels = first.shape[2] if same_channels else x.shape[2]
        if x.shape[0] != first.shape[0] or x.shape[2] != channels:
            what = "batch and channels are those" if same_channels else "the batch is that"
            raise ValueError(
                f"{name}[{place}] has shape {list(x.shape)}, expected "
                f"[{first.shape[0]}, {x.shape[1]}, {channels}]: {what} of {name}[0]"
            )
