"""Checks that layers make of their arguments and of their input."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def check_positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} = {size} must be at least 1")


def check_features(x: Tensor, nodes: int | None, channels: int | None, name: str = "x") -> None:
    """Refuse features that are not [B, nodes, channels]; None: any number."""
    expected = f"[B, {'N' if nodes is None else nodes}, {'C' if channels is None else channels}]"
    if x.dim() != 3:
        raise ValueError(f"{name} has shape {list(x.shape)}, expected {expected}")
    if nodes is not None and x.shape[1] != nodes:
        raise ValueError(
            f"{name} has {x.shape[1]} nodes on axis 1, the graph has {nodes}: "
            f"shape {list(x.shape)}, expected {expected}"
        )
    if channels is not None and x.shape[2] != channels:
        raise ValueError(
            f"{name} has {x.shape[2]} channels on axis 2, the layer takes {channels}: "
            f"shape {list(x.shape)}, expected {expected}"
        )


def check_alike(features: Sequence[Tensor], name: str) -> None:
    """Refuse features [B, N_k, C] that do not have B and C in common."""
    first = features[0]
    for place, x in enumerate(features):
        if x.shape[0] != first.shape[0] or x.shape[2] != first.shape[2]:
            raise ValueError(
                f"{name}[{place}] has shape {list(x.shape)}, expected "
                f"[{first.shape[0]}, {x.shape[1]}, {first.shape[2]}]: batch and channels "
                f"are those of {name}[0]"
            )
