"""Graph convolution: features times a weight matrix, mixed between neighbours."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.backends import Backend
from multiscale_gcn.ops.checks import check_features, check_values, check_weight
from multiscale_gcn.ops.graph_convolution_cuda import FORWARD, GraphConvolution
from multiscale_gcn.ops.layout import mix_channels
from multiscale_gcn.ops.neighbour_softmax import neighbour_softmax
from multiscale_gcn.ops.normalisation import Normalisation, finish
from multiscale_gcn.ops.pattern import Pattern
from multiscale_gcn.ops.propagate import propagate, propagates_dense
from multiscale_gcn.ops.selection import Case, Rules, add_rules, select
from multiscale_gcn.ops.whole_layer_cuda import has_whole_layer


def graph_convolution_reference(
    x: Tensor,  # [B, N, C_in]
    values: Tensor,  # [nnz] or [C_out, nnz]
    weight: Tensor,  # [1 or 2, C_in, C_out]
    bias: Tensor | None,  # [C_out]
    pattern: Pattern,
) -> Tensor:  # [B, N, C_out]
    """The specification: y_i = sum_j values_ij x_j W + b, entry by entry.

    With two weight matrices, the first is used where i = j and the second everywhere else.
    """
    rows = [x.new_zeros(x.shape[0], weight.shape[2]) for _ in range(pattern.num_nodes)]
    entries = zip(pattern.rows.tolist(), pattern.columns.tolist(), strict=True)
    for entry, (i, j) in enumerate(entries):
        matrix = weight[0] if i == j else weight[-1]
        rows[i] = rows[i] + values[..., entry] * (x[:, j] @ matrix)
    result = torch.stack(rows, dim=1)
    return result if bias is None else result + bias


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
    ValueError
        If ``x`` or ``values`` does not fit the pattern, or ``weight`` does not fit ``x``, or if
        there is no backend of that name.
    BackendUnavailable
        If ``backend="cupy"`` cannot run.

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
    return _convolve(x, values, weight, bias, pattern, norm, False, relu, backend)


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
    x, logits, weight, bias, pattern, norm, relu, backend
        As in :func:`graph_convolution`.

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
    return _convolve(x, logits, weight, bias, pattern, norm, True, relu, backend)


def _convolve(
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pattern: Pattern,
    norm: Normalisation | None,
    softmax: bool,
    relu: bool,
    backend: str,
) -> Tensor:
    check_features(x, pattern)
    check_weight(weight, x)
    check_values(given, pattern, weight.shape[2], "logits" if softmax else "values")
    if x.device.type != "cuda" and backend == "auto":
        return _plain(x, given, weight, bias, pattern, norm, softmax, relu)
    if x.is_cuda and torch.is_autocast_enabled("cuda") and x.dtype != torch.float64:
        x = x.to(torch.get_autocast_dtype("cuda"))
    case = Case(x.device, x.dtype, x.shape[1], x.shape[2], weight.shape[2], pattern.rows.shape[0])
    operator = "semgconv" if softmax else "graph_convolution"
    operator += "_per_channel" if given.dim() == 2 else ""
    if not select(operator, case, backend).name.startswith("cupy"):
        return _plain(x, given, weight, bias, pattern, norm, softmax, relu)
    learns = torch.is_grad_enabled() and any(
        tensor is not None and tensor.requires_grad
        for tensor in (x, given, weight, bias, *(norm[:4] if norm else ()))
    )
    if not learns:
        statistics, epsilon = (list(norm[:4]), norm.epsilon) if norm else ([], 0.0)
        result: Tensor = FORWARD(
            x, given, weight, bias, pattern, statistics, epsilon, softmax, relu
        )
        return result
    result = GraphConvolution.apply(x, given, weight, bias, softmax, *pattern)
    return finish(result, norm, relu)


def _plain(
    x: Tensor,
    given: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    pattern: Pattern,
    norm: Normalisation | None,
    softmax: bool,
    relu: bool,
) -> Tensor:
    values = neighbour_softmax(given, pattern, backend="torch") if softmax else given
    return finish(_plain_convolution(x, values, weight, bias, pattern), norm, relu)


def _plain_convolution(
    x: Tensor, values: Tensor, weight: Tensor, bias: Tensor | None, pattern: Pattern
) -> Tensor:
    """Mixing is done on the narrower side of the weight matrix."""
    own_share, others = None, values
    if weight.shape[0] == 2:
        own_share = values.index_select(-1, pattern.diagonal)
        own_share = own_share.unsqueeze(-1) if values.dim() == 1 else own_share.t()
        others = values.index_fill(-1, pattern.diagonal, 0.0)
    if values.dim() == 1 and weight.shape[1] <= weight.shape[2]:
        result = bias
        if own_share is not None:
            result = mix_channels(x * own_share.to(x.dtype), weight[0], result)
        return mix_channels(
            propagate(x, others.to(x.dtype), pattern, backend="torch"), weight[-1], result
        )
    projected = mix_channels(x, weight[-1])
    result = propagate(projected, others.to(projected.dtype), pattern, backend="torch")
    if own_share is not None:
        own = mix_channels(x, weight[0])
        result = torch.addcmul(result, own, own_share.to(own.dtype))
    return result if bias is None else result + bias.to(result.dtype)


def _plain_form(case: Case) -> Backend:
    dense = propagates_dense(case.device, case.num_nodes, case.num_nodes, case.num_entries)
    if dense:
        return Backend("torch dense", "few nodes or many entries: a product with an N x N matrix")
    return Backend("torch sparse", "many nodes or few entries: entry by entry")


def _plain_form_per_channel(case: Case) -> Backend:
    dense = propagates_dense(
        case.device, case.num_nodes, case.num_nodes, case.num_entries, per_channel=True
    )
    if dense:
        return Backend("torch dense", "few nodes: a product with an N x N matrix a channel")
    return Backend("torch sparse", "many nodes: entry by entry")


def _kernel(case: Case) -> Backend:
    if has_whole_layer(
        torch.cuda.get_device_capability(case.device),
        case.dtype,
        case.num_nodes,
        case.in_channels,
        case.out_channels,
    ):
        return Backend("cupy", "one kernel for the whole layer, on the tensor cores of Hopper")
    return Backend(
        "cupy", "a matrix product, and a kernel that takes the softmax and aggregates neighbours"
    )


def _kernel_per_channel(case: Case) -> Backend:
    return Backend("cupy", "a matrix product, and a kernel that mixes neighbours by channel")


_SHARED = Rules(_plain_form, _kernel)
_PER_CHANNEL = Rules(_plain_form_per_channel, _kernel_per_channel)
for _operator in ("semgconv", "graph_convolution"):
    add_rules(_operator, _SHARED)
    add_rules(f"{_operator}_per_channel", _PER_CHANNEL)
