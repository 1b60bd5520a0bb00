"""Non-local attention in its "concatenation" form, without a score for every channel and pair."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from multiscale_gcn.backends import Backend
from multiscale_gcn.ops.nonlocal_cuda import (
    MOST_NODES,
    nonlocal_attention_cuda,
    nonlocal_attention_joined_cuda,
)
from multiscale_gcn.ops.selection import Case, Rules, add_rules, select
from multiscale_gcn.ops.signatures import keep_signature

DENSE_NODES = 256
"""Up to this many nodes :func:`nonlocal_attention` makes the N x N scores."""


def nonlocal_attention_reference(
    theta: Tensor,  # [B, N, K]
    phi: Tensor,  # [B, N, K]
    score: Tensor,  # [2, K]
    value: Tensor,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """The specification: f_ij = ReLU(w . [theta_i, phi_j]), y_i = (1 / N) sum_j f_ij value_j.

    Every pair of nodes is concatenated, as Wang et al. 2018 write it (section 3.2), so this needs
    B x N x N x 2K numbers.
    """
    batch, n, _ = theta.shape
    left = theta[:, :, None].expand(batch, n, n, -1)
    right = phi[:, None, :].expand(batch, n, n, -1)
    scores = (torch.cat([left, right], dim=-1) * score.flatten()).sum(-1).relu()
    return (scores[..., None] * value[:, None]).sum(2) / n


def nonlocal_attention(
    source: Tensor,  # [B, N]
    target: Tensor,  # [B, N]
    value: Tensor,  # [B, N, C]
    *,
    backend: str = "auto",
) -> Tensor:  # [B, N, C]
    """y_i = (1 / N) sum_j ReLU(source_i + target_j) value_j.

    The score of a concatenated pair is a sum of one number for either node, w_theta . theta_i and
    w_phi . phi_j, which are ``source`` and ``target`` here. Up to ``DENSE_NODES`` nodes this is
    :func:`nonlocal_attention_dense`, beyond it :func:`nonlocal_attention_sorted`; in ONNX the dense
    form takes any number. On a CUDA device kernels do what the sorted form does.

    Parameters
    ----------
    source, target, value
    backend : {"auto", "torch", "cupy"}
        :func:`select_backend` tells what ``"auto"`` takes.

    Raises
    ------
    ValueError
        If the shapes do not fit, or if there is no backend of that name.
    BackendUnavailable
        If ``backend="cupy"`` cannot run.

    Examples
    --------
    >>> import torch
    >>> source, target = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.0, 2.0]])
    >>> nonlocal_attention(source, target, torch.tensor([[[1.0], [10.0]]]))
    tensor([[[15.5000],
             [ 5.0000]]])
    """
    _check_shapes(source, target, value)
    if _takes_kernel(value, value.shape[2], backend):
        return nonlocal_attention_cuda(source, target, value)
    # ONNX has no searchsorted.
    dense = value.shape[1] <= DENSE_NODES or torch.onnx.is_in_onnx_export()
    return (nonlocal_attention_dense if dense else nonlocal_attention_sorted)(source, target, value)


def nonlocal_attention_joined(
    joined: Tensor,  # [B, N, C + 2]
    *,
    backend: str = "auto",
) -> Tensor:  # [B, N, C]
    """:func:`nonlocal_attention` of [value, source, target], which one product gives side by side.

    Their gradients come side by side as well, so on a CUDA device nothing is split or joined.

    Parameters
    ----------
    joined, backend
        As there.

    Raises
    ------
    ValueError, BackendUnavailable
        As there.

    Examples
    --------
    >>> import torch
    >>> nonlocal_attention_joined(torch.tensor([[[1.0, 1.0, 0.0], [10.0, -1.0, 2.0]]]))
    tensor([[[15.5000],
             [ 5.0000]]])
    """
    if joined.dim() != 3 or joined.shape[2] < 2:
        raise ValueError(f"joined has shape {list(joined.shape)}, expected [B, N, C + 2]")
    if _takes_kernel(joined, joined.shape[2] - 2, backend):
        return nonlocal_attention_joined_cuda(joined)
    value, source, target = joined.split([joined.shape[2] - 2, 1, 1], dim=2)
    return nonlocal_attention(source.squeeze(2), target.squeeze(2), value, backend="torch")


def _check_shapes(source: Tensor, target: Tensor, value: Tensor) -> None:
    if value.dim() != 3:
        raise ValueError(f"value has shape {list(value.shape)}, expected [B, N, C]")
    for name, x in (("source", source), ("target", target)):
        if x.shape != value.shape[:2]:
            raise ValueError(
                f"{name} has shape {list(x.shape)}, expected {list(value.shape[:2])}: one number "
                "for each node of value"
            )


def _takes_kernel(x: Tensor, channels: int, backend: str) -> bool:
    if x.device.type == "cpu" and backend == "auto":
        return False
    nodes = x.shape[1]
    case = Case(x.device, x.dtype, nodes, channels, channels, nodes * nodes)
    return select("nonlocal_attention", case, backend).name.startswith("cupy")


class _Attention(torch.autograd.Function):
    """The second result is what the gradient needs, so that it need not be made again; only where
    the gradient has a gradient itself it is."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
        kept = output[1]
        ctx.mark_non_differentiable(kept)
        ctx.save_for_backward(*inputs, kept)


def nonlocal_attention_dense(
    source: Tensor,  # [B, N]
    target: Tensor,  # [B, N]
    value: Tensor,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """:func:`nonlocal_attention` with B x N x N scores."""
    result, _ = _DenseAttention.apply(source.to(value.dtype), target.to(value.dtype), value)
    return result


def _scores(source: Tensor, target: Tensor) -> Tensor:  # [B, N, N]
    """Divided by N here, not in the result: sums of half precision could overflow."""
    n = source.shape[1]
    return ((source / n).unsqueeze(2) + (target / n).unsqueeze(1)).relu_()


class _DenseAttention(_Attention):
    """It keeps the scores. The batched products want tensors that lie batch by batch."""

    @staticmethod
    @keep_signature
    def forward(source: Tensor, target: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        scores = _scores(source.contiguous(), target.contiguous())
        return torch.bmm(scores, value.contiguous()), scores

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        source, target, value, scores = ctx.saved_tensors
        if torch.is_grad_enabled():
            scores = _scores(source, target)
        gradient = gradient.contiguous()
        for_value = torch.bmm(scores.transpose(1, 2), gradient)
        for_scores = torch.bmm(gradient, value.contiguous().transpose(1, 2))
        for_scores = torch.ops.aten.threshold_backward(for_scores, scores, 0)
        n = value.shape[1]
        return for_scores.sum(2) / n, for_scores.sum(1) / n, for_value


def nonlocal_attention_sorted(
    source: Tensor,  # [B, N]
    target: Tensor,  # [B, N]
    value: Tensor,  # [B, N, C]
) -> Tensor:  # [B, N, C]
    """:func:`nonlocal_attention` in O(N log N) time and O(N) memory, exactly.

    The nodes j that node i sees are those with target_j > -source_i: in the order of falling
    targets they come first. So y_i needs two prefix sums, of value_j and of target_j value_j.
    Sums are taken in float32 or better.
    """
    wide = torch.promote_types(value.dtype, torch.float32)
    result, _ = _SortedAttention.apply(source.to(wide), target.to(wide), value.to(wide))
    attended: Tensor = result.to(value.dtype)
    return attended


def _attend(source: Tensor, target: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """N y_i, and the sum of the values that node i sees: its derivative by source_i."""
    falling, order = torch.sort(-target.contiguous(), dim=1)
    seen = torch.searchsorted(falling, source.contiguous())  # [B, N]: how many nodes i sees
    ranked = value.gather(1, order.unsqueeze(2).expand(value.shape))
    total = _first(ranked, seen)
    moment = _first(ranked.mul_(falling.unsqueeze(2)), seen)
    last = falling[:, -1:]  # not a number if any target is none: no source's score is one then
    source = source + torch.where(last.isnan(), last, 0.0)
    return torch.addcmul(moment.neg_(), source.unsqueeze(2), total), total


def _first(rows: Tensor, counts: Tensor) -> Tensor:
    """Sums of the first ``counts`` rows, [B, N, C]."""
    nothing = rows.new_zeros(rows.shape[0], 1, rows.shape[2])
    sums = torch.cat([nothing, rows], 1).cumsum(1)
    return sums.gather(1, counts.unsqueeze(2).expand(rows.shape))


class _SortedAttention(_Attention):
    """It keeps the sums. Source and target change places in the gradient of the values, so it is a
    second pass."""

    @staticmethod
    @keep_signature
    def forward(source: Tensor, target: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        result, total = _attend(source, target, value)
        return result / value.shape[1], total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        source, target, value, total = ctx.saved_tensors
        if torch.is_grad_enabled():
            total = _attend(source, target, value)[1]
        gradient = gradient / value.shape[1]
        for_value, seen_by = _attend(target, source, gradient)
        return (gradient * total).sum(2), (value * seen_by).sum(2), for_value


def _plain_form(case: Case) -> Backend:
    if case.num_nodes <= DENSE_NODES:
        return Backend("torch dense", "few nodes: products with N x N scores")
    return Backend("torch sorted", "many nodes: prefix sums along the sorted nodes")


def _kernel(case: Case) -> Backend:
    if case.num_nodes <= MOST_NODES:
        return Backend("cupy", "one kernel, in which a block sorts a graph and sums along it")
    return Backend("cupy sorted", "many nodes: kernels that sum along the sorted nodes")


add_rules("nonlocal_attention", Rules(_plain_form, _kernel))
