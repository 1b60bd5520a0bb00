"""Temporal convolutions: Pavllo et al., CVPR 2019 (VideoPose3D)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from examples.hgn_pose.network.architecture import Architecture, Wanted, check_clips
from examples.hgn_pose.network.settling_norm import SettlingBatchNorm

PUBLISHED_DROPOUT = 0.25
WIDTH = 3
"""Frames that each convolution takes together."""

Taken = tuple[Tensor, Tensor]
"""Frames that are taken together, side by side in one, and those in the middle of them."""


class Layer(nn.Module):
    """A linear map without a bias, normalisation, ReLU and dropout, of every frame."""

    def __init__(self, in_features: int, out_features: int, *, dropout: float) -> None:
        super().__init__()
        self.map = nn.Linear(in_features, out_features, bias=False)
        self.norm = SettlingBatchNorm(out_features)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,  # [B, T, C_in]
    ) -> Tensor:  # [B, T, C_out]
        h = self.map(x)
        result: Tensor = self.dropout(self.norm(h.flatten(0, 1)).relu())
        return result.view_as(h)


class TemporalConvolutions(nn.Module):
    """Convolutions over time on all joints of a frame at once: Pavllo et al., CVPR 2019.

    A convolution takes three frames together. Then come blocks with shortcuts, each of a
    convolution that takes three times as many frames as there were, and one of single frames. The
    last map gives the pose.

    Parameters
    ----------
    joints : int
    channels : int
    frames : int
        A power of 3; in the paper 27, 81 and 243.
    dropout : float

    Notes
    -----
    The paper's 8.56, 12.75 and 16.95 million parameters are those for 27, 81 and 243 frames. The
    share of a batch in the running statistics falls as in the published code, see
    :class:`~examples.hgn_pose.network.settling_norm.SettlingBatchNorm`. That code trains with the
    mean distance of the joints for a loss, and learning rates that fall by 5 % an epoch, which are
    matters of the trainer here.

    Examples
    --------
    >>> model = TemporalConvolutions(channels=8, frames=27)
    >>> [y.shape for y in model(torch.randn(4, 27, 17, 2))]
    [torch.Size([4, 17, 3])]
    >>> model.eval().every_frame(torch.randn(1, 100, 17, 2)).shape
    torch.Size([1, 74, 17, 3])
    """

    def __init__(
        self,
        joints: int = 17,
        channels: int = 1024,
        *,
        frames: int = 27,
        dropout: float = PUBLISHED_DROPOUT,
    ) -> None:
        super().__init__()
        self.joints = joints
        self.frames = frames
        self.expand = Layer(WIDTH * 2 * joints, channels, dropout=dropout)
        self.blocks = nn.ModuleList()
        reached = WIDTH
        while reached < frames:
            self.blocks.append(
                nn.Sequential(
                    Layer(WIDTH * channels, channels, dropout=dropout),
                    Layer(channels, channels, dropout=dropout),
                )
            )
            reached *= WIDTH
        self.output = nn.Linear(channels, 3 * joints)

    def forward(
        self,
        x: Tensor,  # [B, T, J, 2]
    ) -> tuple[Tensor]:  # [B, J, 3]
        """The pose in the middle of each window; no convolution is computed in vain."""
        check_clips(x, self.frames, self.joints)
        return (self._lifted(x, _strided)[:, 0],)

    def every_frame(
        self,
        clip: Tensor,  # [B, L, J, 2]
    ) -> Tensor:  # [B, L - T + 1, J, 3]
        """The poses in the middle of all windows of whole clips, by dilated convolutions."""
        return self._lifted(clip, _dilated)

    def _lifted(self, x: Tensor, take: Callable[[Tensor, int], Taken]) -> Tensor:
        reached = 1
        together, _ = take(x.flatten(2), reached)
        h = self.expand(together)
        for block in self.blocks:
            reached *= WIDTH
            together, middle = take(h, reached)
            h = middle + block(together)
        result: Tensor = self.output(h).unflatten(2, (self.joints, 3))
        return result


def _strided(x: Tensor, _: int) -> Taken:
    """The frames 0, 1, 2, then 3, 4, 5, and so on."""
    apart = x.unflatten(1, (-1, WIDTH))
    return apart.flatten(2), apart[:, :, WIDTH // 2]


def _dilated(x: Tensor, step: int) -> Taken:
    """The frames 0, step, 2 step, then 1, step + 1, 2 step + 1, and so on."""
    last = x.shape[1] - (WIDTH - 1) * step
    apart = [x[:, tap * step : tap * step + last] for tap in range(WIDTH)]
    return torch.cat(apart, 2), apart[WIDTH // 2]


def _build(wanted: Wanted) -> TemporalConvolutions:
    return TemporalConvolutions(
        wanted.skeleton.num_nodes,
        wanted.channels,
        frames=wanted.frames,
        dropout=PUBLISHED_DROPOUT if wanted.dropout is None else wanted.dropout,
    )


ARCHITECTURE = Architecture(
    name="temporal_convolutions",
    title="Temporal convolutions",
    what="VideoPose3D, convolutions over the frames of a clip (Pavllo et al. 2019)",
    build=_build,
    last_layers=lambda model: [model.output],
    first_layers=lambda model: [model.expand.map],
    channels=1024,
    frames=(27, 81, 243),
)
