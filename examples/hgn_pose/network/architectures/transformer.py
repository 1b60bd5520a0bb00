"""A plain transformer over the joints."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from examples.hgn_pose.network.architecture import Architecture, Wanted

LAYERS = 6
HEADS = 8


class Transformer(nn.Module):
    """The encoder of Vaswani et al. 2017 over the joints: it knows no graph.

    Each joint is a token: a map of its two numbers, plus a vector that says which joint it is. Then
    six layers of attention among all joints and of a map of each through twice the channels, both
    with the normalisation first, and a last normalisation and map.

    Parameters
    ----------
    joints : int
    channels : int
        A multiple of 8, the number of heads.
    dropout : float

    Examples
    --------
    >>> [y.shape for y in Transformer(channels=16)(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3])]
    """

    def __init__(self, joints: int = 17, channels: int = 192, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.input = nn.Linear(2, channels)
        self.places = nn.Parameter(torch.empty(joints, channels))
        nn.init.trunc_normal_(self.places, std=0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                channels,
                HEADS,
                dim_feedforward=2 * channels,
                dropout=dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(LAYERS)
        )
        self.norm = nn.LayerNorm(channels)
        self.output = nn.Linear(channels, 3)

    def forward(
        self,
        x: Tensor,  # [B, J, 2]
    ) -> tuple[Tensor]:  # [B, J, 3]
        tokens = self.input(x) + self.places
        for layer in self.layers:
            tokens = layer(tokens)
        return (self.output(self.norm(tokens)),)


def _build(wanted: Wanted) -> Transformer:
    return Transformer(wanted.skeleton.num_nodes, wanted.channels, dropout=wanted.dropout or 0.0)


ARCHITECTURE = Architecture(
    name="transformer",
    title="Transformer",
    what="A plain transformer over the joints, which knows no graph (Vaswani et al. 2017)",
    build=_build,
    last_layers=lambda model: [model.output],
    channels=192,
    channels_step=HEADS,
)
