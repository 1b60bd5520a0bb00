"""Which form of an operator will run, and why: told before it runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch

from multiscale_gcn.backends import Backend, BackendUnavailable, require_cuda_device
from multiscale_gcn.ops.arguments_cuda import DTYPES

BACKENDS = ("auto", "torch", "cupy")


@dataclass(frozen=True)
class Case:
    """What the choice depends on: device, type and sizes, never the values."""

    device: torch.device
    dtype: torch.dtype
    num_nodes: int
    in_channels: int
    out_channels: int
    num_entries: int


def _refuses_type(case: Case) -> str | None:
    return None if case.dtype in DTYPES else f"there is no kernel for {case.dtype}"


def _never_loses(case: Case) -> str | None:
    return None


@dataclass(frozen=True)
class Rules:
    """How one operator chooses.

    Attributes
    ----------
    torch : callable
        Which form in plain PyTorch runs, and why.
    cupy : callable
        Which kernel runs, and why.
    refusal : callable
        Why no kernel takes the case, or None. By default its type may be why.
    loss : callable
        Why the form in plain PyTorch is the better one, or None, as is the default.
    """

    torch: Callable[[Case], Backend]
    cupy: Callable[[Case], Backend]
    refusal: Callable[[Case], str | None] = _refuses_type
    loss: Callable[[Case], str | None] = _never_loses


_rules: dict[str, Rules] = {}


def add_rules(operator: str, rules: Rules) -> None:
    _rules[operator] = rules


def select_backend(
    operator: str,
    *,
    num_nodes: int,
    in_channels: int,
    out_channels: int | None = None,
    num_entries: int | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    backend: str = "auto",
) -> Backend:
    """Tell which form of an operator will run.

    Parameters
    ----------
    operator : str
        Its name, such as ``"semgconv"``.
    num_nodes, in_channels : int
    out_channels : int, optional
        As many as ``in_channels`` unless given.
    num_entries : int, optional
        Entries of the matrix, with its diagonal. All N x N unless given.
    device : torch.device or str
    dtype : torch.dtype
        Of the features; under autocast the type that autocast takes.
    backend : {"auto", "torch", "cupy"}
        What the operator is asked for.

    Returns
    -------
    Backend
        Name and reason. A name that begins with "cupy" is a kernel of this package, one that
        begins with "torch" a form in plain PyTorch.

    Raises
    ------
    ValueError
        If there is no operator or backend of that name.
    BackendUnavailable
        If ``backend="cupy"`` cannot run, here or for this case.

    Examples
    --------
    >>> from multiscale_gcn import ops
    >>> ops.select_backend("semgconv", num_nodes=17, in_channels=128).name
    'torch dense'
    """
    if operator not in _rules:
        raise ValueError(f"operator = {operator!r} is none of {tuple(sorted(_rules))}")
    case = Case(
        torch.device(device),
        dtype,
        num_nodes,
        in_channels,
        in_channels if out_channels is None else out_channels,
        num_nodes * num_nodes if num_entries is None else num_entries,
    )
    return select(operator, case, backend)


def select(operator: str, case: Case, backend: str) -> Backend:
    """:func:`select_backend`, for the operators themselves."""
    rules = _rules[operator]
    if backend == "torch":
        return Backend(rules.torch(case).name, "asked for")
    if backend == "cupy":
        _demand(operator, case, rules)
        return Backend(rules.cupy(case).name, "asked for")
    if backend != "auto":
        raise ValueError(f"backend = {backend!r} is none of {BACKENDS}")
    if case.device.type != "cuda":
        return rules.torch(case)
    hindrance = exporting() or rules.refusal(case) or rules.loss(case) or cupy_hindrance()
    if hindrance is not None:
        return Backend(rules.torch(case).name, hindrance)
    return rules.cupy(case)


def _demand(operator: str, case: Case, rules: Rules) -> None:
    if case.device.type != "cuda":
        raise BackendUnavailable(
            f"{operator}: backend='cupy' needs tensors on a CUDA device, these are on "
            f"{case.device.type}; move them with .to('cuda'), or take backend='auto'"
        )
    refusal = rules.refusal(case)
    if refusal is not None:
        raise BackendUnavailable(f"{operator}: {refusal}; take backend='auto'")
    hindrance = _why_no_cupy()
    if hindrance is not None:
        raise BackendUnavailable(hindrance)


@torch.compiler.assume_constant_result
def _why_no_cupy() -> str | None:
    """Why CuPy cannot run here, or None."""
    try:
        require_cuda_device()
    except BackendUnavailable as error:
        return str(error)
    return None


def exporting() -> str | None:
    """A reason for plain PyTorch: what is exported must run where this package is not."""
    # Dynamo of older versions takes torch.compiler.is_exporting() for true whatever it traces.
    export = getattr(torch.compiler, "_is_exporting_flag", False)
    if export or torch.onnx.is_in_onnx_export() or torch.jit.is_tracing():
        return "the graph is exported, and must run without this package"
    return None


@torch.compiler.assume_constant_result
def cupy_hindrance() -> str | None:
    """Why CuPy cannot run here, or None; warns once, since plain PyTorch is slower."""
    return _cupy_hindrance()


@cache
def _cupy_hindrance() -> str | None:
    hindrance = _why_no_cupy()
    if hindrance is not None:
        warnings.warn(f"operators on CUDA run in plain PyTorch: {hindrance}", stacklevel=2)
    return hindrance
