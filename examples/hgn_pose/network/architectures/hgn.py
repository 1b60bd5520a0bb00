"""HGN: from 2D joints, [B, 17, 2], to a pose and coarse meshes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from examples.hgn_pose.network.architecture import Architecture, Wanted
from examples.hgn_pose.network.convolutions import SemGConv
from multiscale_gcn.nn import Convolution, MultiScaleGCN
from multiscale_gcn.nn.fusion import FusionOrder


class HGN(MultiScaleGCN):
    """Hierarchical Graph Networks: Li et al., BMVC 2021, figure 2.

    Parameters
    ----------
    skeleton : Graph
        The graph of the joints.
    mesh48, mesh96 : Graph or None
        The two coarse graphs of the body mesh. Without ``mesh96`` the top subnetwork falls away;
        without ``mesh48`` it does too, and the middle one works on ``mesh96``.
    channels : int
        128 in the paper's main model.
    conv : callable (in_channels, out_channels, graph) -> Module
        ``SemGConv`` or ``GConv`` of :mod:`examples.hgn_pose.network.convolutions`.
    fusion_order : {"parallel", "sequential"}
        The paper's equation, or the order of the code published with it.
    dropout : float
    answering : sequence of int, optional
        How many nodes of each mesh answer, the first ones, where the others are padding.

    Returns of ``forward``
    ----------------------
    tuple of Tensor
        The pose [B, 17, 3], then each mesh that is there, [B, 48, 3] and [B, 96, 3]; metres
        relative to the pelvis when trained as the example does.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.body.skeleton import skeleton_graph
    >>> skeleton = skeleton_graph()
    >>> [y.shape for y in HGN(skeleton, skeleton, None, channels=8)(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3]), torch.Size([4, 17, 3])]
    """

    def __init__(
        self,
        skeleton: Any,
        mesh48: Any | None,
        mesh96: Any | None,
        channels: int = 128,
        *,
        conv: Convolution = SemGConv,
        fusion_order: FusionOrder = "parallel",
        dropout: float = 0.0,
        answering: Sequence[int] | None = None,
    ) -> None:
        meshes = [mesh for mesh in (mesh48, mesh96) if mesh is not None]
        if not meshes:
            raise ValueError("mesh48 and mesh96 are both None; HGN needs a coarse mesh")
        bottom, top = (0, 1), tuple(range(1 + len(meshes)))
        super().__init__(
            [skeleton, *meshes],
            stages=[bottom, bottom, top, top],
            in_channels=2,
            channels=channels,
            out_channels=3,
            convolution=conv,
            fusion_order=fusion_order,
            dropout=dropout,
            start="published",
        )
        self.answering = answering

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The pose and the meshes, these without what is padding."""
        pose, *meshes = super().forward(*inputs)
        if self.answering is not None:
            meshes = [mesh[:, :n] for mesh, n in zip(meshes, self.answering, strict=True)]
        return (pose, *meshes)


def _build(wanted: Wanted) -> MultiScaleGCN:
    if not wanted.meshes:
        return MultiScaleGCN(
            [wanted.skeleton],
            stages=[(0,)] * 4,
            in_channels=2,
            channels=wanted.channels,
            out_channels=3,
            convolution=wanted.convolution,
            dropout=wanted.dropout or 0.0,
        )
    middle, top = (*wanted.meshes, None)[:2]
    return HGN(
        wanted.skeleton,
        middle,
        top,
        wanted.channels,
        conv=wanted.convolution,
        fusion_order=wanted.fusion_order,
        dropout=wanted.dropout or 0.0,
        answering=wanted.answering,
    )


ARCHITECTURE = Architecture(
    name="hgn",
    title="HGN",
    what="Hierarchical Graph Networks on the joints and two coarse meshes (Li et al. 2021)",
    build=_build,
    last_layers=lambda model: list(model.outputs.values()),
    first_layers=lambda model: list(model.inputs.values()),
    has_meshes=True,
    takes_convolutions=True,
)
