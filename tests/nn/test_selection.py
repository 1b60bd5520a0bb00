"""Which form of an operator runs, and what is said where a kernel cannot."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from layer_graphs import ring
from torch import Tensor

from multiscale_gcn import BackendUnavailable, ops
from multiscale_gcn.backends import Backend
from multiscale_gcn.nn import GraphPattern
from multiscale_gcn.ops import select_backend, selection

RULES = selection.FormRules(
    torch=lambda case: Backend("torch dense", "few nodes"),
    cupy=lambda case: Backend("cupy", "one kernel"),
    refusal=lambda case: "no kernel for float64" if case.dtype == torch.float64 else None,
    loss=lambda case: "too many nodes" if case.num_nodes > 9 else None,
)


@pytest.fixture(autouse=True)
def rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An operator called "sample", on a machine where CuPy works."""
    monkeypatch.setitem(selection._rules, "sample", RULES)
    monkeypatch.setattr(selection, "require_cuda_device", lambda: None)
    selection._cupy_hindrance.cache_clear()
    yield
    selection._cupy_hindrance.cache_clear()


def choose(backend: str = "auto", **options: Any) -> Backend:
    return select_backend(
        "sample", **{"num_nodes": 5, "in_channels": 8, "device": "cuda", **options}, backend=backend
    )


def missing() -> None:
    raise BackendUnavailable("cupy is not installed; pip install it")


def test_the_choice_is_told_with_its_reason() -> None:
    assert choose() == Backend("cupy", "one kernel")
    assert choose(device="cpu") == Backend("torch dense", "few nodes")
    assert choose(dtype=torch.float64) == Backend("torch dense", "no kernel for float64")
    assert choose(num_nodes=10) == Backend("torch dense", "too many nodes")
    assert choose("torch") == Backend("torch dense", "asked for")
    assert choose("cupy", num_nodes=10) == Backend("cupy", "asked for")


def test_what_was_asked_for_and_cannot_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackendUnavailable, match=r"sample: .*these are on cpu; move them with"):
        choose("cupy", device="cpu")
    with pytest.raises(BackendUnavailable, match="sample: no kernel for float64; take backend"):
        choose("cupy", dtype=torch.float64)
    monkeypatch.setattr(selection, "require_cuda_device", missing)
    with pytest.raises(BackendUnavailable, match="cupy is not installed; pip install"):
        choose("cupy")


def test_a_missing_cupy_is_said_once_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "require_cuda_device", missing)
    with pytest.warns(UserWarning, match="run in plain PyTorch: cupy is not installed; pip"):
        chosen = choose()
    assert chosen == Backend("torch dense", "cupy is not installed; pip install it")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert choose() == chosen


def test_exported_graphs_take_plain_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    chosen = choose()
    assert chosen.name == "torch dense"
    assert "exported" in chosen.reason


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match=r"operator = 'simple' is none of .*'sample'"):
        select_backend("simple", num_nodes=2, in_channels=2)
    with pytest.raises(ValueError, match="backend = 'numba' is none of"):
        choose("numba")


def test_choosing_does_not_break_a_compiled_graph() -> None:
    def run(x: Tensor) -> Tensor:
        case = selection.OperatorCase(torch.device("cuda"), x.dtype, x.shape[1], 4, 4, 9)
        return x * 2 if selection.select_form("sample", case, "auto").name == "cupy" else x * 3

    x = torch.randn(2, 3)
    compiled = torch.compile(run, fullgraph=True, backend="eager")
    assert torch.equal(compiled(x), 2 * x)
    assert torch.equal(compiled(x.double()), 3 * x.double())


@pytest.mark.parametrize("n", [17, 500, 5000])
def test_a_cpu_takes_dense_products_by_the_share_of_entries(n: int) -> None:
    quarter = n * n // 4 + 1
    for entries, form in ((quarter, "torch dense"), (quarter - 2, "torch sparse")):
        for operator in ("propagate", "semgconv"):
            told = select_backend(operator, num_nodes=n, in_channels=8, num_entries=entries)
            assert told.name == form


@pytest.mark.parametrize("operator", ["propagate", "semgconv", "graph_convolution"])
@pytest.mark.parametrize(("n", "form"), [(17, "torch dense"), (513, "torch sparse")])
def test_one_matrix_a_channel_is_dense_up_to_a_size(operator: str, n: int, form: str) -> None:
    name = f"{operator}_per_channel"
    assert select_backend(name, num_nodes=n, in_channels=8, num_entries=3 * n).name == form


@pytest.mark.parametrize("operator", [ops.semgconv, ops.graph_convolution])
@pytest.mark.parametrize("per_channel", [False, True])
def test_convolutions_refuse_backends_on_a_cpu_too(operator: Any, per_channel: bool) -> None:
    pattern = GraphPattern(ring(5)).entries
    values = torch.ones(3, 15) if per_channel else torch.ones(15)
    arguments = (torch.randn(1, 5, 2), values, torch.randn(2, 2, 3), None, pattern)
    with pytest.raises(ValueError, match="backend = 'numba' is none of"):
        operator(*arguments, backend="numba")
    with pytest.raises(BackendUnavailable, match=rf"^{operator.__name__}.* on cpu"):
        operator(*arguments, backend="cupy")
    assert torch.equal(operator(*arguments, backend="torch"), operator(*arguments))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_nodes": 1.5}, "num_nodes = 1.5 must be an integer of at least 0"),
        ({"in_channels": True}, "in_channels = True must be an integer"),
        ({"num_entries": -1}, "num_entries = -1 must be an integer of at least 0"),
        ({"operator": ["semgconv"]}, r"operator = \['semgconv'\] is none of"),
        ({"device": "gpu"}, "device = 'gpu' is none that PyTorch knows; give 'cpu' or 'cuda'"),
        ({"dtype": "float32"}, "dtype = 'float32' must be a torch.dtype"),
    ],
)
def test_what_decides_is_checked(options: dict[str, Any], message: str) -> None:
    case: dict[str, Any] = {
        "operator": "semgconv",
        "num_nodes": np.int64(17),
        "in_channels": 3,
    } | options
    with pytest.raises((TypeError, ValueError), match=message):
        ops.select_backend(**case)
