"""Graph convolutions, and the form that runs."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.backends import Backend
from multiscale_gcn.ops.csr_pattern import Pattern
from multiscale_gcn.ops.epilogue import Normalisation
from multiscale_gcn.ops.graph_convolution.layer_arguments import (
    LayerArguments,
    check_layer,
    mixes_per_channel,
)
from multiscale_gcn.ops.graph_convolution.on_cuda import layer_on_cuda
from multiscale_gcn.ops.graph_convolution.plain import plain_layer
from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import whole_layer_form
from multiscale_gcn.ops.option_checks import flag
from multiscale_gcn.ops.propagate.plain import propagates_dense
from multiscale_gcn.ops.selection import (
    FormRules,
    OperatorCase,
    add_form_rules,
    is_left_to_pytorch,
    select_form,
)


def graph_convolution(
    x: Tensor,  # [B, N, C_in]
    values: Tensor,  # [nnz] or [C_out, nnz]
    weight: Tensor,  # [1 or 2, C_in, C_out]
    bias: Tensor | None,  # [C_out]
    pattern: Pattern,
    *,
    norm: Normalisation | None = None,
    relu: bool = False,
    backend: str = "auto",
) -> Tensor:  # [B, N, C_out]
    """Mix features between neighbours and multiply them with a weight matrix.

    y_i = sum_j values_ij x_j W + b. With two weight matrices, a node's own features are multiplied
    with the first and those of its neighbours with the second.

    Parameters
    ----------
    x, values, weight, bias, pattern
    norm : Normalisation, optional
        Batch normalisation with known statistics, of the result.
    relu : bool
        ReLU of the result, after the normalisation.
    backend : {"auto", "torch", "cupy"}
        :func:`select_backend` tells what ``"auto"`` takes.

    Raises
    ------
    TypeError
        For what is no tensor, no pattern of one graph, or no normalisation.
    ValueError
        If ``x`` or ``values`` does not fit the pattern, ``weight`` does not fit ``x``, or ``bias``
        or ``norm`` does not fit ``weight``; if they are no real numbers, are on several devices, or
        of types that autocast does not make one; if ``relu`` is no flag, or if there is no backend
        of that name.
    BackendUnavailable
        If ``backend="cupy"`` cannot run.

    See Also
    --------
    semgconv : that of SemGCN
    graph_convolution_reference : its definition

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> from multiscale_gcn.nn import GraphPattern
    >>> pattern = GraphPattern(Graph([0, 1, 2], [1, 0])).entries
    >>> x, weight = torch.tensor([[[1.0], [10.0]]]), torch.tensor([[[1.0]], [[3.0]]])
    >>> graph_convolution(x, torch.ones(4), weight, None, pattern)
    tensor([[[31.],
             [13.]]])
    """
    layer = LayerArguments(x, values, weight, bias, pattern, False, norm, flag(relu, "relu"))
    return _convolve(layer, backend)


def semgconv(
    x: Tensor,  # [B, N, C_in]
    logits: Tensor,  # [nnz] or [C_out, nnz]
    weight: Tensor,  # [1 or 2, C_in, C_out]
    bias: Tensor | None,  # [C_out]
    pattern: Pattern,
    *,
    norm: Normalisation | None = None,
    relu: bool = False,
    backend: str = "auto",
) -> Tensor:  # [B, N, C_out]
    """:func:`graph_convolution` with the softmax of the logits over every row as its values.

    The semantic graph convolution of Zhao et al. 2019, equations 2 and 3.

    Parameters
    ----------
    x, logits, weight, bias, pattern
    norm, relu, backend
        As in :func:`graph_convolution`.

    Raises
    ------
    TypeError, ValueError, BackendUnavailable
        As in :func:`graph_convolution`.

    See Also
    --------
    graph_convolution : a convolution on any pattern
    multiscale_gcn.nn.SemGConv : with a learned weight an edge

    Examples
    --------
    >>> import torch
    >>> from multiscale_gcn import Graph
    >>> from multiscale_gcn.nn import GraphPattern
    >>> pattern = GraphPattern(Graph([0, 1, 2], [1, 0])).entries
    >>> x, weight = torch.tensor([[[1.0], [10.0]]]), torch.tensor([[[1.0]], [[3.0]]])
    >>> semgconv(x, torch.ones(4), weight, None, pattern)
    tensor([[[15.5000],
             [ 6.5000]]])
    """
    layer = LayerArguments(x, logits, weight, bias, pattern, True, norm, flag(relu, "relu"))
    return _convolve(layer, backend)


def _convolve(layer: LayerArguments, backend: str) -> Tensor:
    x, weight, pattern = layer.x, layer.weight, layer.pattern
    check_layer(layer)
    if is_left_to_pytorch(x.device, backend):
        return plain_layer(layer)
    if x.is_cuda and torch.is_autocast_enabled("cuda") and x.dtype != torch.float64:
        x = x.to(torch.get_autocast_dtype("cuda"))
        layer = LayerArguments(x, *layer[1:])
    entries = pattern.rows.shape[0]
    case = OperatorCase(x.device, x.dtype, x.shape[1], x.shape[2], weight.shape[2], entries)
    operator = "semgconv" if layer.softmax else "graph_convolution"
    operator += "_per_channel" if mixes_per_channel(layer) else ""
    if not select_form(operator, case, backend).name.startswith("cupy"):
        return plain_layer(layer)
    return layer_on_cuda(layer)


def _plain_form(case: OperatorCase) -> Backend:
    dense = propagates_dense(case.device, case.num_nodes, case.num_nodes, case.num_entries)
    if dense:
        return Backend("torch dense", "few nodes or many entries: a product with an N x N matrix")
    return Backend("torch sparse", "many nodes or few entries: entry by entry")


def _plain_form_per_channel(case: OperatorCase) -> Backend:
    dense = propagates_dense(
        case.device, case.num_nodes, case.num_nodes, case.num_entries, per_channel=True
    )
    if dense:
        return Backend("torch dense", "few nodes: a product with an N x N matrix a channel")
    return Backend("torch sparse", "many nodes: entry by entry")


def _kernel(case: OperatorCase) -> Backend:
    form = whole_layer_form(
        torch.cuda.get_device_capability(case.device),
        case.dtype,
        case.num_nodes,
        case.in_channels,
        case.out_channels,
    )
    if form is not None:
        return Backend("cupy", f"one kernel for the whole layer, on {form.value}")
    return Backend(
        "cupy", "a matrix product, and a kernel that takes the softmax and aggregates neighbours"
    )


def _kernel_per_channel(case: OperatorCase) -> Backend:
    return Backend("cupy", "a matrix product, and a kernel that mixes neighbours by channel")


_SHARED = FormRules(_plain_form, _kernel)
_PER_CHANNEL = FormRules(_plain_form_per_channel, _kernel_per_channel)
for _operator in ("semgconv", "graph_convolution"):
    add_form_rules(_operator, _SHARED)
    add_form_rules(f"{_operator}_per_channel", _PER_CHANNEL)
