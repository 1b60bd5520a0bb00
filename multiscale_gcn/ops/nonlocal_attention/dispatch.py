"""Non-local attention, and the form that runs."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.backends import Backend
from multiscale_gcn.ops.nonlocal_attention.on_cuda import (
    MOST_BLOCK_NODES,
    nonlocal_attention_joined_on_cuda,
    nonlocal_attention_on_cuda,
)
from multiscale_gcn.ops.nonlocal_attention.operands import check_attention
from multiscale_gcn.ops.nonlocal_attention.plain import attend_densely, attend_sorted
from multiscale_gcn.ops.operand_checks import check_operands
from multiscale_gcn.ops.selection import (
    FormRules,
    OperatorCase,
    add_form_rules,
    is_left_to_pytorch,
    select_form,
)

DENSE_SCORE_NODES = 256
"""Up to this many nodes :func:`nonlocal_attention` makes the N x N scores."""


def nonlocal_attention(
    source: Tensor,  # [B, N]
    target: Tensor,  # [B, N]
    value: Tensor,  # [B, N, C]
    *,
    backend: str = "auto",
) -> Tensor:  # [B, N, C]
    """y_i = (1 / N) sum_j ReLU(source_i + target_j) value_j.

    The score of a concatenated pair is a sum of one number for either node, w_theta . theta_i and
    w_phi . phi_j, which are ``source`` and ``target`` here. Up to ``DENSE_SCORE_NODES`` nodes this
    is :func:`nonlocal_attention_dense`, beyond it :func:`nonlocal_attention_sorted`; in ONNX the
    dense form takes any number. On a CUDA device kernels do what the sorted form does.

    Parameters
    ----------
    source, target, value
    backend : {"auto", "torch", "cupy"}
        :func:`select_backend` tells what ``"auto"`` takes.

    Raises
    ------
    TypeError
        For what is no tensor.
    ValueError
        If the shapes do not fit, if tensors hold no real numbers or are on several devices, or if
        there is no backend of that name.
    BackendUnavailable
        If ``backend="cupy"`` cannot run.

    See Also
    --------
    joined_map : the maps before it
    nonlocal_attention_dense : with all scores
    nonlocal_attention_sorted : by sorted scores
    nonlocal_attention_reference : its definition
    multiscale_gcn.nn.NonLocal : every node reads every other

    Examples
    --------
    >>> import torch
    >>> source, target = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.0, 2.0]])
    >>> nonlocal_attention(source, target, torch.tensor([[[1.0], [10.0]]]))
    tensor([[[15.5000],
             [ 5.0000]]])
    """
    check_attention(source, target, value)
    if _takes_kernel(value, value.shape[2], backend):
        return nonlocal_attention_on_cuda(source, target, value)
    return _plain(source, target, value)


def nonlocal_attention_joined(
    joined: Tensor,  # [B, N, C + 2]
    *,
    backend: str = "auto",
) -> Tensor:  # [B, N, C]
    """:func:`nonlocal_attention` of [value, source, target], which one product gives side by side.

    Their gradients come side by side as well, so on a CUDA device nothing is split or joined.

    Parameters
    ----------
    joined
    backend : {"auto", "torch", "cupy"}
        As there.

    Raises
    ------
    TypeError, ValueError, BackendUnavailable
        As there.

    See Also
    --------
    nonlocal_attention : pairs without their scores
    joined_map : the maps before it

    Examples
    --------
    >>> import torch
    >>> nonlocal_attention_joined(torch.tensor([[[1.0, 1.0, 0.0], [10.0, -1.0, 2.0]]]))
    tensor([[[15.5000],
             [ 5.0000]]])
    """
    check_operands(joined=joined)
    if joined.dim() != 3 or joined.shape[2] < 2:
        raise ValueError(f"joined has shape {list(joined.shape)}, expected [B, N, C + 2]")
    return attend_joined(joined, joined.shape[2] - 2, backend)


def attend_joined(joined: Tensor, channels: int, backend: str = "auto") -> Tensor:
    """:func:`nonlocal_attention_joined` of so many channels, whatever is behind the targets."""
    if _takes_kernel(joined, channels, backend):
        return nonlocal_attention_joined_on_cuda(joined, channels)
    behind = joined.shape[2] - channels - 2
    sizes = [channels, 1, 1, behind] if behind else [channels, 1, 1]
    value, source, target = torch.split(joined, sizes, dim=2)[:3]
    return _plain(source.squeeze(2), target.squeeze(2), value)


def _plain(source: Tensor, target: Tensor, value: Tensor) -> Tensor:
    # ONNX has no searchsorted.
    dense = value.shape[1] <= DENSE_SCORE_NODES or torch.onnx.is_in_onnx_export()
    return (attend_densely if dense else attend_sorted)(source, target, value)


def _takes_kernel(x: Tensor, channels: int, backend: str) -> bool:
    if is_left_to_pytorch(x.device, backend):
        return False
    nodes = x.shape[1]
    case = OperatorCase(x.device, x.dtype, nodes, channels, channels, nodes * nodes)
    return select_form("nonlocal_attention", case, backend).name.startswith("cupy")


def _plain_form(case: OperatorCase) -> Backend:
    if case.num_nodes <= DENSE_SCORE_NODES:
        return Backend("torch dense", "few nodes: products with N x N scores")
    return Backend("torch sorted", "many nodes: prefix sums along the sorted nodes")


def _kernel(case: OperatorCase) -> Backend:
    if case.num_nodes <= MOST_BLOCK_NODES:
        return Backend("cupy", "one kernel, in which a block sorts a graph and sums along it")
    return Backend("cupy sorted", "many nodes: kernels that sum along the sorted nodes")


add_form_rules("nonlocal_attention", FormRules(_plain_form, _kernel))
