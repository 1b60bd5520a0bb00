"""Product of a sparse matrix with the features of a batch of graphs, and the form that runs."""

from __future__ import annotations

from torch import Tensor

from multiscale_gcn.backends import Backend
from multiscale_gcn.ops.csr_pattern import CrossPattern, Pattern, shape_of
from multiscale_gcn.ops.operand_checks import check_product
from multiscale_gcn.ops.propagate.on_cuda import propagate_on_cuda
from multiscale_gcn.ops.propagate.plain import plain_product, propagates_dense
from multiscale_gcn.ops.selection import (
    FormRules,
    OperatorCase,
    add_form_rules,
    is_left_to_pytorch,
    select_form,
)

KERNEL_NODES = 128
"""Above this many nodes the kernel for CUDA devices is taken."""


def propagate(
    x: Tensor,  # [B, N, C]
    values: Tensor,  # [nnz] or [C, nnz]
    pattern: Pattern | CrossPattern,
    *,
    backend: str = "auto",
) -> Tensor:  # [B, M, C]
    """Multiply features with a sparse matrix: y_i = sum_j values_ij x_j.

    The matrix is N x N, or M x N on a :class:`CrossPattern`. Values of shape (C, nnz) hold one
    matrix for every channel. Up to ``DENSE_MATRIX_NODES`` nodes this is :func:`propagate_dense`,
    beyond it :func:`propagate_sparse`. On a CPU one matrix for all channels is taken as dense from
    ``CPU_DENSITY`` of its entries on, at any size. A CUDA device has a kernel for one matrix, which
    it takes above ``KERNEL_NODES`` nodes.

    Parameters
    ----------
    x, values, pattern
    backend : {"auto", "torch", "cupy"}
        :func:`select_backend` tells what ``"auto"`` takes.

    Raises
    ------
    TypeError
        For what is no tensor, and for what is no pattern.
    ValueError
        If ``x`` or ``values`` does not fit the pattern, if they are no real numbers, are on
        several devices, or of types that autocast does not make one, or if there is no backend of
        that name.
    BackendUnavailable
        If ``backend="cupy"`` cannot run.

    See Also
    --------
    propagate_dense : by a dense matrix
    propagate_sparse : by a sparse one
    propagate_reference : its definition
    mix_nodes : a matrix product over nodes

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> from multiscale_gcn.nn import GraphPattern
    >>> pattern = GraphPattern(Graph([0, 1, 2], [1, 0])).entries
    >>> propagate(torch.tensor([[[1.0], [10.0]]]), torch.tensor([1.0, 2.0, 3.0, 4.0]), pattern)
    tensor([[[21.],
             [43.]]])
    """
    check_product(x, values, pattern)
    if not is_left_to_pytorch(x.device, backend):
        sizes = (*shape_of(pattern), pattern.rows.shape[0])
        case = OperatorCase(x.device, x.dtype, max(sizes[:2]), x.shape[2], x.shape[2], sizes[2])
        operator = "propagate" if values.dim() == 1 else "propagate_per_channel"
        if select_form(operator, case, backend).name == "cupy":
            return propagate_on_cuda(x, values, pattern)
    return plain_product(x, values, pattern)


def _plain_form(case: OperatorCase) -> Backend:
    if propagates_dense(case.device, case.num_nodes, case.num_nodes, case.num_entries):
        return Backend("torch dense", "few nodes or many entries: a product with a dense matrix")
    return Backend("torch sparse", "many nodes or few entries: entry by entry")


def _plain_form_per_channel(case: OperatorCase) -> Backend:
    sizes = (case.num_nodes, case.num_nodes, case.num_entries)
    if propagates_dense(case.device, *sizes, per_channel=True):
        return Backend("torch dense", "few nodes: a product with a dense matrix a channel")
    return Backend("torch sparse", "many nodes: entry by entry")


def _kernel(case: OperatorCase) -> Backend:
    return Backend("cupy", "a kernel that adds entry by entry")


def _loss(case: OperatorCase) -> str | None:
    return "few nodes: a product with a dense matrix" if case.num_nodes <= KERNEL_NODES else None


def _no_kernel(case: OperatorCase) -> str | None:
    return "there is no kernel for one matrix a channel"


add_form_rules("propagate", FormRules(_plain_form, _kernel, loss=_loss))
add_form_rules(
    "propagate_per_channel", FormRules(_plain_form_per_channel, _kernel, _no_kernel, _loss)
)
