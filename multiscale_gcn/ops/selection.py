"""Which form of an operator will run, and why: told before it runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import torch
import torch.jit._trace
from torch.autograd import forward_ad

from multiscale_gcn.backends import Backend, BackendUnavailable, require_cuda_device
from multiscale_gcn.ops.kernels.number_types import DTYPES
from multiscale_gcn.ops.option_checks import shown, whole_number

OPERATOR_BACKENDS = ("auto", "torch", "cupy")

F = TypeVar("F", bound=Callable[..., object])

# PyTorch leaves both without types.
_constant: Callable[[F], F] = torch.compiler.assume_constant_result
_is_tracing: Callable[[], bool] = torch.jit._trace.is_tracing


@dataclass(frozen=True)
class OperatorCase:
    """What the choice depends on: device, type and sizes, never the values."""

    device: torch.device
    dtype: torch.dtype
    num_nodes: int
    in_channels: int
    out_channels: int
    num_entries: int


def _refuses_type(case: OperatorCase) -> str | None:
    return None if case.dtype in DTYPES else f"there is no kernel for {case.dtype}"


def _never_loses(case: OperatorCase) -> str | None:
    return None


@dataclass(frozen=True)
class FormRules:
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

    torch: Callable[[OperatorCase], Backend]
    cupy: Callable[[OperatorCase], Backend]
    refusal: Callable[[OperatorCase], str | None] = _refuses_type
    loss: Callable[[OperatorCase], str | None] = _never_loses


_rules: dict[str, FormRules] = {}


def add_form_rules(operator: str, rules: FormRules) -> None:
    _rules[operator] = rules


def select_operator_backend(
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
    if not isinstance(operator, str) or operator not in _rules:
        raise ValueError(f"operator = {shown(operator)} is none of {tuple(sorted(_rules))}")
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"dtype = {shown(dtype)} must be a torch.dtype, such as torch.float32")
    nodes = whole_number(num_nodes, "num_nodes")
    channels = whole_number(in_channels, "in_channels")
    case = OperatorCase(
        _device(device),
        dtype,
        nodes,
        channels,
        channels if out_channels is None else whole_number(out_channels, "out_channels"),
        nodes * nodes if num_entries is None else whole_number(num_entries, "num_entries"),
    )
    return select_form(operator, case, backend)


def _device(device: Any) -> torch.device:
    try:
        return torch.device(device)
    except Exception as error:  # PyTorch's own lists every device that it was ever built for
        raise ValueError(
            f"device = {shown(device)} is none that PyTorch knows; give 'cpu' or 'cuda'"
        ) from error


def is_left_to_pytorch(device: torch.device, backend: str) -> bool:
    """Whether it runs on a CPU and no form was asked for: the choice that costs nothing."""
    check_backend(backend)
    return device.type == "cpu" and backend == "auto"


def check_backend(backend: str) -> None:
    if not isinstance(backend, str) or backend not in OPERATOR_BACKENDS:
        raise ValueError(f"backend = {shown(backend)} is none of {OPERATOR_BACKENDS}")


def select_form(operator: str, case: OperatorCase, backend: str) -> Backend:
    """What :func:`multiscale_gcn.ops.select_backend` tells, for the operators themselves."""
    check_backend(backend)
    rules = _rules[operator]
    if backend == "torch":
        return Backend(rules.torch(case).name, "asked for")
    if backend == "cupy":
        _demand(operator, case, rules)
        return Backend(rules.cupy(case).name, "asked for")
    if case.device.type != "cuda":
        return rules.torch(case)
    hindrance = exporting() or rules.refusal(case) or rules.loss(case) or cupy_hindrance()
    if hindrance is not None:
        return Backend(rules.torch(case).name, hindrance)
    return rules.cupy(case)


def _demand(operator: str, case: OperatorCase, rules: FormRules) -> None:
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


@_constant
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
    if export or torch.onnx.is_in_onnx_export() or _is_tracing():
        return "the graph is exported, and must run without this package"
    return None


def is_transformed() -> bool:
    """Whether PyTorch does more around operators than run them.

    It compiles or exports them, takes tangents or transforms along, or shows them to a mode.
    """
    return bool(
        torch.compiler.is_compiling()
        or forward_ad._current_level >= 0
        or torch._C._len_torch_dispatch_stack()
        or torch._C._are_functorch_transforms_active()
        or exporting() is not None
    )


@_constant
def cupy_hindrance() -> str | None:
    """Why CuPy cannot run here, or None; warns once, since plain PyTorch is slower."""
    return _cupy_hindrance()


@cache
def _cupy_hindrance() -> str | None:
    hindrance = _why_no_cupy()
    if hindrance is not None:
        warnings.warn(f"operators on CUDA run in plain PyTorch: {hindrance}", stacklevel=2)
    return hindrance
