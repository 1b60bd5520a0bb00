"""The non-local block."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from multiscale_gcn.nn.apply_norm import apply_norm
from multiscale_gcn.nn.layer_checks import check_features, positive
from multiscale_gcn.ops import joined_map, nonlocal_attention_joined, on_rows
from multiscale_gcn.ops.operand_checks import check_one_type, check_operands


class NonLocal(nn.Module):
    """Non-local block in the "concatenation" form of Wang et al. 2018 (section 3.2).

    With theta, phi and g linear maps to C // 2 channels, f_ij = ReLU(w . [theta_i, phi_j]),
    y_i = (1 / N) sum_j f_ij g_j and z = BN(W y) + x. The scale and the shift of the batch
    normalisation start at 0, so the block starts as the identity.

    The score is a sum of one number for either node, f_ij = ReLU(a_i + b_j), and these are linear
    in x: two vectors of C numbers replace theta and phi when it is computed. Up to 256 nodes the
    B x N x N scores are made; beyond, and on CUDA devices with CuPy, the sum is exact in O(N log N)
    by sorting. See :func:`multiscale_gcn.ops.nonlocal_attention`.

    Parameters
    ----------
    channels : int
        C, at least 2.

    Raises
    ------
    ValueError
        If there are fewer than 2 channels, and in ``forward`` if ``x`` does not have the shape
        [B, N, C], the device and the type of the layer.
    TypeError
        In ``forward`` if ``x`` is no tensor.

    Examples
    --------
    >>> import torch
    >>> x = torch.randn(8, 17, 32)
    >>> torch.equal(NonLocal(32)(x), x)
    True
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels = positive(channels, "channels")
        if channels == 1:
            raise ValueError("channels = 1 must be at least 2: half of them are used")
        inner = channels // 2
        self.theta: nn.Linear = nn.Linear(channels, inner)
        self.phi: nn.Linear = nn.Linear(channels, inner)
        self.value: nn.Linear = nn.Linear(channels, inner)
        self.score: nn.Parameter = nn.Parameter(torch.empty(2, inner))
        self.output: nn.Linear = nn.Linear(inner, channels)
        self.norm: nn.BatchNorm1d = nn.BatchNorm1d(channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Kaiming normal maps without shift; the batch normalisation at 0."""
        for linear in (self.theta, self.phi, self.value, self.output):
            nn.init.kaiming_normal_(linear.weight)
            nn.init.zeros_(linear.bias)
        nn.init.kaiming_normal_(self.score.view(1, -1))
        self.norm.reset_parameters()
        nn.init.zeros_(self.norm.weight)

    def forward(
        self,
        x: Tensor,  # [B, N, C]
    ) -> Tensor:  # [B, N, C]
        """The block."""
        check_features(x, None, self.channels)
        check_operands(x=x, weight=self.score)
        check_one_type(x=x, weight=self.score)
        maps = ((layer.weight, layer.bias) for layer in (self.value, self.theta, self.phi))
        weight, bias = joined_map(self.score, *maps)
        mapped = on_rows(lambda rows: F.linear(rows, weight, bias), x)  # [B, N, C // 2 + 2]
        attended = nonlocal_attention_joined(mapped)
        return apply_norm(self.norm, on_rows(self.output, attended), add=x)

    def extra_repr(self) -> str:
        return f"{self.channels}"
