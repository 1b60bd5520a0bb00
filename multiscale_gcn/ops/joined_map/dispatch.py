"""The maps before non-local attention, joined to one."""

from __future__ import annotations

import torch
from torch import Tensor

from multiscale_gcn.backends import Backend, BackendUnavailable
from multiscale_gcn.ops.joined_map.on_cuda import JoinedMapOnCuda
from multiscale_gcn.ops.operand_checks import check_one_type, check_operands
from multiscale_gcn.ops.selection import (
    FormRules,
    OperatorCase,
    add_form_rules,
    is_left_to_pytorch,
    select_form,
)

Map = tuple[Tensor, Tensor]
"""Weight [K, C] and bias [K] of a linear map."""

_PARTS = tuple(
    f"the {part} of {name}" for name in ("value", "theta", "phi") for part in ("weight", "bias")
)


def joined_map(
    score: Tensor,  # [2, K]
    value: Map,
    theta: Map,
    phi: Map,
    *,
    backend: str = "auto",
) -> Map:  # [K + 2, C] and [K + 2]
    """The map to values, to w_theta . theta and to w_phi . phi, side by side.

    The scores of non-local attention are linear in the features, so two vectors of C numbers stand
    for theta and phi: rows under the map to the values. See :func:`nonlocal_attention_joined`,
    which takes what one product with this map gives.

    Parameters
    ----------
    score
        w_theta and w_phi.
    value, theta, phi
        Weight and bias of the linear maps, all of one size.
    backend : {"auto", "torch", "cupy"}
        :func:`select_backend` tells what ``"auto"`` takes.

    Raises
    ------
    TypeError
        For what is no tensor, and for a map that is no pair of them.
    ValueError
        If the shapes do not fit, if tensors hold no real numbers, are on several devices, or of
        types that autocast does not make one, or if there is no backend of that name.
    BackendUnavailable
        If ``backend="cupy"`` cannot run.

    See Also
    --------
    nonlocal_attention_joined : the same, of joined maps

    Examples
    --------
    >>> import torch
    >>> one = torch.tensor([[1.0, 10.0]]), torch.tensor([5.0])
    >>> weight, bias = joined_map(torch.tensor([[2.0], [3.0]]), one, one, one)
    >>> weight, bias
    (tensor([[ 1., 10.],
            [ 2., 20.],
            [ 3., 30.]]), tensor([ 5., 10., 15.]))
    """
    for name, pair in (("value", value), ("theta", theta), ("phi", phi)):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"{name} is no pair; give the weight and the bias of a linear map")
    weight, bias = padded_map(score, value, theta, phi, backend=backend)
    rows = score.shape[1] + 2
    return (weight, bias) if len(bias) == rows else (weight[:rows], bias[:rows])


def padded_map(score: Tensor, value: Map, theta: Map, phi: Map, *, backend: str = "auto") -> Map:
    """:func:`joined_map`, where a kernel makes it with rows of zeros behind it.

    Rows of what it gives then begin at multiples of 16 bytes, as fast matrix products want it.
    """
    parts = dict(zip(_PARTS, (*value, *theta, *phi), strict=True))
    _check(score, parts)
    if _takes_kernel(score, (*value, *theta, *phi), backend):
        weight, bias = JoinedMapOnCuda.apply(score, *value, *theta, *phi)
        return weight, bias
    check_one_type(score=score, **{name: parts[name] for name in _PARTS[2:]})
    source, target = score.unsqueeze(1)
    return (
        torch.cat([value[0], source @ theta[0], target @ phi[0]]),
        torch.cat([value[1], source @ theta[1], target @ phi[1]]),
    )


def _check(score: Tensor, parts: dict[str, Tensor]) -> None:
    check_operands(score=score, **parts)
    weight = parts["the weight of value"]
    if weight.dim() != 2:
        raise ValueError(f"the weight of value has shape {list(weight.shape)}, expected [K, C]")
    inner = weight.shape[:1]
    if score.shape != (2, *inner):
        raise ValueError(f"score has shape {list(score.shape)}, expected [2, {inner[0]}]")
    for (name, tensor), expected in zip(parts.items(), (weight.shape, inner) * 3, strict=True):
        if tensor.shape != expected:
            raise ValueError(
                f"{name} has shape {list(tensor.shape)}, expected {list(expected)}: all maps are "
                "of one size"
            )


def _takes_kernel(score: Tensor, maps: tuple[Tensor, ...], backend: str) -> bool:
    if is_left_to_pytorch(score.device, backend):
        return False
    inner, channels = maps[0].shape
    case = OperatorCase(score.device, score.dtype, 1, channels, inner, 1)
    if select_form("joined_map", case, backend).name != "cupy":
        return False
    others = [tensor.dtype for tensor in maps if tensor.dtype != score.dtype]
    if others and backend == "cupy":
        raise BackendUnavailable(
            f"joined_map: score is {score.dtype} and a map is {others[0]}, and there are kernels "
            "for one type only; convert one, or take backend='auto'"
        )
    return not others


add_form_rules(
    "joined_map",
    FormRules(
        torch=lambda case: Backend("torch", "products of a vector with a matrix"),
        cupy=lambda case: Backend("cupy", "one kernel instead of a dozen"),
    ),
)
