"""What is known of a network beside its layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from multiscale_gcn import Graph
from multiscale_gcn.nn import Convolution, DistanceTransfer

SeenByNonLocal = Literal["parts", "joints", "none"]
"""What non-local blocks see; none: there are no such blocks."""

Sharing = Literal[
    "full",
    "full_decoupled",
    "pre",
    "pre_decoupled",
    "post",
    "post_decoupled",
    "none",
    "convolution",
]
"""Which joints share a weight matrix, in the words of Liu et al. 2020."""


Head = Literal["xyz", "ray"]
"""How a pose is read off the answers: as coordinates, or as depths on the joints' rays."""

Fusion = Literal["every", "last"]
"""After which stages streams exchange features."""


@dataclass(frozen=True)
class Wanted:
    """What is asked of an architecture."""

    channels: int
    convolution: Convolution
    fusion_order: Literal["parallel", "sequential"]
    dropout: float | None
    """None: what its paper has."""
    non_local: SeenByNonLocal
    frames: int
    """How many are given at once: one of the architecture's."""
    sharing: Sharing
    skeleton: Graph
    meshes: tuple[Graph, ...]
    """The coarse graphs of the body that it shall work on, from 48 nodes up; none for networks
    without."""
    answering: tuple[int, ...] | None = None
    """How many nodes of each of these answer, the first ones; None: all."""
    nearness: DistanceTransfer | None = None
    """Maps between the joints and these graphs by distance at rest, for networks that begin so."""
    fusion: Fusion = "every"


@dataclass(frozen=True)
class Architecture:
    """What a network's file says of it, under the name ``ARCHITECTURE``."""

    name: str
    """For ``--network``."""
    title: str
    """For figures and tables."""
    what: str
    """In a few words, with its paper, for help and for tables."""
    build: Callable[[Wanted], nn.Module]
    """Takes 2D joints (B, 17, 2), or with several frames (B, T, 17, 2), and returns a tuple: the
    pose (B, 17, 3) of the frame in the middle, then its meshes. In training it may answer with the
    poses of all frames (B, T, 17, 3)."""
    last_layers: Callable[[Any], list[nn.Module]]
    """Of a network that was built: the layers that answer."""
    first_layers: Callable[[Any], list[nn.Module]] = lambda model: [model.input]
    """Of a network that was built: the layers that see the 2D joints."""
    channels: int = 128
    """Of its paper."""
    channels_step: int = 1
    """Its channels are a multiple of this: they are shared out among heads or levels."""
    frames: tuple[int, ...] = (1,)
    """How many it can be given at once, odd numbers; the first is taken if nobody says."""
    has_meshes: bool = False
    """Whether it works on coarse graphs of the body, and answers with their vertices."""
    begins_by_distance: bool = False
    """Whether its maps between joints and coarse graphs begin from where these lie at rest."""
    head: Head = "xyz"
    """By default."""
    takes_convolutions: bool = False
    """Whether ``--conv`` means something to it."""
    takes_non_local: bool = False
    """Whether ``--non-local`` does."""
    takes_sharing: bool = False
    """Whether ``--sharing`` does."""


def check_clips(
    x: Tensor,  # [B, T, J, 2]
    frames: int,
    joints: int,
) -> None:
    """Refuse what is no batch of clips.

    Raises
    ------
    ValueError
        For another shape.
    """
    if x.dim() != 4 or x.shape[1:] != (frames, joints, 2):
        raise ValueError(f"x has shape {list(x.shape)}, expected [B, {frames}, {joints}, 2]")
