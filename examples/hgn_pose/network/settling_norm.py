"""Batch normalisation whose running statistics settle down as the training goes on."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FIRST_MOMENTUM, LAST_MOMENTUM = 0.1, 0.001


class SettlingBatchNorm(nn.BatchNorm1d):
    """Batch normalisation with the momentum of VideoPose3D (Pavllo et al. 2019).

    The share that a batch has in the running statistics falls from 0.1 to 0.001, exponentially, an
    epoch at a time; the trainer tells when an epoch begins. It is a tensor, so that steps that were
    recorded on a CUDA device read it anew. After a run of a few hundred steps the statistics lag
    behind the weights.

    Parameters
    ----------
    channels : int

    Examples
    --------
    >>> norm = SettlingBatchNorm(2)
    >>> norm.settle(0.5)
    >>> _ = norm(torch.tensor([[0.0, 4.0], [2.0, 4.0]]))
    >>> norm.running_mean
    tensor([0.0100, 0.0400])
    """

    share: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.register_buffer("share", torch.tensor(FIRST_MOMENTUM), persistent=False)

    @torch.no_grad()
    def settle(self, done: float) -> None:
        """Say how much of the training is behind, from 0 to 1."""
        decay = math.log(FIRST_MOMENTUM / LAST_MOMENTUM)
        self.share.fill_(FIRST_MOMENTUM * math.exp(-done * decay))

    def forward(
        self,
        x: Tensor,  # [N, C]
    ) -> Tensor:  # [N, C]
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        with torch.no_grad():
            variance, mean = torch.var_mean(x.to(self.running_mean.dtype), dim=0)
            self.running_mean.lerp_(mean, self.share)
            self.running_var.lerp_(variance, self.share)
            self.num_batches_tracked.add_(1)
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
