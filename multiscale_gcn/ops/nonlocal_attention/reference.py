"""Non-local attention, as it is defined."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.ops.operand_checks import check_features, check_operands


def nonlocal_attention_reference(
    theta: Tensor,  # [B, N, K]
    phi: Tensor,  # [B, N, K]
    score: Tensor,  # [2, K]
    value: Tensor,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """The specification: f_ij = ReLU(w . [theta_i, phi_j]), y_i = (1 / N) sum_j f_ij value_j.

    Every pair of nodes is concatenated, as Wang et al. 2018 write it (section 3.2), so this needs
    B x N x N x 2K numbers.

    Parameters
    ----------
    theta, phi
        Maps of the features of every node.
    score
        w, for theta and for phi.
    value

    Raises
    ------
    TypeError
        For what is no tensor.
    ValueError
        If the shapes do not fit, or if tensors hold no real numbers or are on several devices.

    See Also
    --------
    nonlocal_attention : pairs without their scores

    Examples
    --------
    >>> import torch
    >>> theta, phi = torch.tensor([[[1.0], [-1.0]]]), torch.tensor([[[0.0], [2.0]]])
    >>> value = torch.tensor([[[1.0], [10.0]]])
    >>> nonlocal_attention_reference(theta, phi, torch.ones(2, 1), value)
    tensor([[[15.5000],
             [ 5.0000]]])
    """
    check_operands(theta=theta, phi=phi, score=score, value=value)
    check_features(theta, "theta")
    check_features(value, "value")
    batch, n, inner = theta.shape
    if phi.shape != theta.shape:
        raise ValueError(
            f"phi has shape {list(phi.shape)}, expected {list(theta.shape)}, that of theta"
        )
    if score.numel() != 2 * inner:
        raise ValueError(f"score has shape {list(score.shape)}, expected [2, {inner}]")
    if value.shape[:2] != theta.shape[:2]:
        raise ValueError(
            f"value has shape {list(value.shape)}, expected [{batch}, {n}, C]: the nodes of theta"
        )
    left = theta[:, :, None].expand(batch, n, n, -1)
    right = phi[:, None, :].expand(batch, n, n, -1)
    scores = (torch.cat([left, right], dim=-1) * score.flatten()).sum(-1).relu()
    return (scores[..., None] * value[:, None]).sum(2) / n
