"""SimpleBaseline: Martinez et al., ICCV 2017."""

from __future__ import annotations

from torch import Tensor, nn

from examples.hgn_pose.network.architecture import Architecture, Wanted

PUBLISHED_DROPOUT = 0.5


class SimpleBaseline(nn.Module):
    """A plain fully connected network on all joints: Martinez et al., ICCV 2017.

    Two residual blocks of two layers, each with batch normalisation, ReLU and dropout.

    Parameters
    ----------
    joints : int
    channels : int
        Width of the hidden layers.
    dropout : float

    Examples
    --------
    >>> import torch
    >>> [y.shape for y in SimpleBaseline(channels=64)(torch.randn(4, 17, 2))]
    [torch.Size([4, 17, 3])]
    """

    def __init__(
        self, joints: int = 17, channels: int = 1024, *, dropout: float = PUBLISHED_DROPOUT
    ) -> None:
        super().__init__()
        self.joints = joints

        def layer(in_features: int) -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(in_features, channels),
                nn.BatchNorm1d(channels),
                nn.ReLU(inplace=True),
                nn.Dropout(dropout),
            )

        self.input = layer(2 * joints)
        self.blocks = nn.ModuleList(
            nn.Sequential(layer(channels), layer(channels)) for _ in range(2)
        )
        self.output = nn.Linear(channels, 3 * joints)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(
        self,
        x: Tensor,  # [B, J, 2]
    ) -> tuple[Tensor]:  # [B, J, 3]
        if x.dim() != 3 or x.shape[1:] != (self.joints, 2):
            raise ValueError(f"x has shape {list(x.shape)}, expected [B, {self.joints}, 2]")
        h = self.input(x.flatten(1))
        for block in self.blocks:
            h = h + block(h)
        return (self.output(h).unflatten(1, (self.joints, 3)),)


def _build(wanted: Wanted) -> SimpleBaseline:
    dropout = PUBLISHED_DROPOUT if wanted.dropout is None else wanted.dropout
    return SimpleBaseline(channels=8 * wanted.channels, dropout=dropout)


ARCHITECTURE = Architecture(
    name="mlp",
    title="MLP (SimpleBaseline)",
    what="SimpleBaseline, which knows no graph; its layers have eight times the channels "
    "(Martinez et al. 2017)",
    build=_build,
    last_layers=lambda model: [model.output],
)
