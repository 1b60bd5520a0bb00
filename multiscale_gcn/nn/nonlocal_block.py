"""The non-local block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from multiscale_gcn.checks.arguments import whole_number
from multiscale_gcn.nn.apply_norm import norm_step, normalised_map
from multiscale_gcn.nn.layer_calls import LayerCalls, Place
from multiscale_gcn.nn.layer_checks import check_features, listed, positive
from multiscale_gcn.nn.onlookers import runs_as
from multiscale_gcn.nn.pooling import Maxima
from multiscale_gcn.ops import nonlocal_attention, on_rows
from multiscale_gcn.ops.joined_map.dispatch import padded_map
from multiscale_gcn.ops.learning import AttentionStep
from multiscale_gcn.ops.nonlocal_attention.dispatch import attend_joined
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

    With ``groups`` the nodes j are groups of nodes: phi and g become their maxima over each group,
    channel by channel, and N the number of groups, as in SemGCN (Zhao et al. 2019). A maximum is
    not linear, so theta alone is replaced then, and the B x N x groups scores are made.

    Parameters
    ----------
    channels : int
        C, at least 2.
    groups : sequence of sequences of int, optional
        Every node is in exactly one. They are not in the ``state_dict``, and there are as many
        parameters with them as without.

    Raises
    ------
    ValueError
        If there are fewer than 2 channels, if a node is in no group or in two, and in ``forward``
        if ``x`` does not have the shape [B, N, C], the device and the type of the layer.
    TypeError
        If ``groups`` is no sequence of sequences, and in ``forward`` if ``x`` is no tensor.

    See Also
    --------
    GraphAttention : attention that knows the graph
    ResGConv : two convolutions and a shortcut

    Examples
    --------
    >>> import torch
    >>> x = torch.randn(8, 17, 32)
    >>> torch.equal(NonLocal(32)(x), x)
    True
    >>> NonLocal(32, groups=[[0, 3], [1, 2]]).extra_repr()
    '32, 2 groups'
    """

    def __init__(self, channels: int, *, groups: Sequence[Sequence[int]] | None = None) -> None:
        super().__init__()
        self.channels = channels = positive(channels, "channels")
        if channels == 1:
            raise ValueError(
                "channels = 1 must be at least 2 for a non-local block, which uses half of them; "
                "blocks and networks have non_local=False"
            )
        inner = channels // 2
        self.theta: nn.Linear = nn.Linear(channels, inner)
        self.phi: nn.Linear = nn.Linear(channels, inner)
        self.value: nn.Linear = nn.Linear(channels, inner)
        self.score: nn.Parameter = nn.Parameter(torch.empty(2, inner))
        self.output: nn.Linear = nn.Linear(inner, channels)
        self.norm: nn.BatchNorm1d = nn.BatchNorm1d(channels)
        parent = None if groups is None else _group_of_node(groups)
        self.num_nodes: int | None = None if parent is None else len(parent)
        self.maxima: Maxima | None = None if parent is None else Maxima(parent)
        self._calls = LayerCalls()
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
        result: Tensor = self._calls(self, lambda: self._block(x), (x,), None, self._as_step)
        return result

    def _as_step(self, place: Place) -> AttentionStep | None:
        """What it is in training, if it is one step of kernels."""
        norm = norm_step(self.norm, place)
        if norm is None or self.maxima is not None:
            return None
        maps = (self.value, self.theta, self.phi)
        return AttentionStep(
            place(self, "score"),
            tuple(place(layer, name) for layer in maps for name in ("weight", "bias")),
            place(self.output, "weight"),
            place(self.output, "bias"),
            norm,
        )

    def _block(self, x: Tensor) -> Tensor:
        check_features(x, self.num_nodes, self.channels)
        check_operands(x=x, weight=self.score)
        check_one_type(x=x, weight=self.score)
        attended = self._attend(x) if self.maxima is None else self._attend_groups(x, self.maxima)
        return normalised_map(self.output, self.norm, attended, x)

    def _attend(self, x: Tensor) -> Tensor:
        if not self.reads_weights():
            return self._attend_by_calls(x)
        maps = ((layer.weight, layer.bias) for layer in (self.value, self.theta, self.phi))
        weight, bias = padded_map(self.score, *maps)
        mapped = on_rows(lambda rows: F.linear(rows, weight, bias), x)  # [B, N, C // 2 + 2 or more]
        return attend_joined(mapped, self.channels // 2)

    def reads_weights(self) -> bool:
        """Whether its maps are linear layers of which nobody wants more than their numbers."""
        return all(runs_as(layer, nn.Linear) for layer in (self.value, self.theta, self.phi))

    def _attend_by_calls(self, x: Tensor) -> Tensor:
        """With whatever stands in the place of its maps: quantised or adapted layers."""
        value, theta, phi = (on_rows(layer, x) for layer in (self.value, self.theta, self.phi))
        source_score, target_score = self.score
        return nonlocal_attention(theta @ source_score, phi @ target_score, value)

    def _attend_groups(self, x: Tensor, maxima: Maxima) -> Tensor:
        source_score, target_score = self.score
        if runs_as(self.theta, nn.Linear):
            weight, bias = source_score @ self.theta.weight, source_score @ self.theta.bias
            source = x @ weight + bias
        else:
            source = self.theta(x) @ source_score
        mapped = torch.cat([self.phi(x), self.value(x)], 2).movedim(1, 0)
        phi, value = maxima(mapped).movedim(0, 1).chunk(2, dim=2)  # [B, groups, C // 2]
        scores = (source.unsqueeze(2) + (phi @ target_score).unsqueeze(1)).relu()
        attended: Tensor = (scores / value.shape[1]) @ value
        return attended

    def extra_repr(self) -> str:
        if self.maxima is None:
            return f"{self.channels}"
        return f"{self.channels}, {self.maxima.num_clusters} groups"


def _group_of_node(groups: Any) -> np.ndarray:
    """The group of every node, from groups of which every node is in one."""
    members = [
        [
            whole_number(node, f"groups[{place}]", least=0)
            for node in listed(group, f"groups[{place}]")
        ]
        for place, group in enumerate(listed(groups, "groups"))
    ]
    for place, group in enumerate(members):
        if not group:
            raise ValueError(f"groups[{place}] is empty; leave it out")
    nodes = [node for group in members for node in group]
    count = len(nodes)
    if count == 0:
        raise ValueError("groups is empty; give at least one group, or None")
    seen = set(nodes)
    missing = next((node for node in range(count) if node not in seen), None)
    if missing is not None:
        raise ValueError(
            f"groups holds {count} nodes, and node {missing} is not among them; give every node, "
            "counted from 0, one group"
        )
    parent = np.empty(count, dtype=np.int64)
    for place, group in enumerate(members):
        parent[group] = place
    return parent
