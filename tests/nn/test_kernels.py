"""How a kernel is launched, and how what launches it becomes an operator of PyTorch."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from multiscale_gcn.ops.kernels import launch
from multiscale_gcn.ops.kernels.packing import pack
from multiscale_gcn.ops.kernels.registration import define


def double(x: Tensor, factors: list[int]) -> Tensor:
    return x * factors[0]


DOUBLE = define(
    "double_for_tests(Tensor x, int[] factors) -> Tensor",
    cuda=double,
    fake=lambda x, factors: torch.empty_like(x),
    cpu=double,
)


def test_a_defined_operator_is_one_of_pytorch() -> None:
    x = torch.randn(3, 2)
    torch.library.opcheck(DOUBLE.overload, (x, [2]))
    compiled = torch.compile(
        lambda x: DOUBLE(x, [2]) + 1, fullgraph=True, backend="aot_eager", dynamic=True
    )
    torch.testing.assert_close(compiled(x), 2 * x + 1)


def test_arguments_lie_as_in_c() -> None:
    x = torch.zeros(3)
    given = (x, np.int32(-7), None, np.float32(1.5), -9, True, 0.25)
    kinds: tuple[Any, ...] = (
        *(ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_float),
        *(ctypes.c_int64, ctypes.c_bool, ctypes.c_double),
    )
    for _ in range(2):
        places = (ctypes.c_uint64 * len(given)).from_address(pack(given))
        found = [kind.from_address(place).value for kind, place in zip(kinds, places, strict=True)]
        assert found == [x.data_ptr(), -7, None, 1.5, -9, True, 0.25]
        assert all(
            place % ctypes.alignment(kind) == 0 for kind, place in zip(kinds, places, strict=True)
        )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
class TestLaunch:
    def kernels(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, **options: Any) -> Any:
        pytest.importorskip("cupy")
        code = """
        extern "C" __global__ void add(float* x, long long n, double by, float* unused) {
            extern __shared__ float shared[];
            long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
            shared[threadIdx.x] = by;
            if (i < n && unused == nullptr) x[i] += shared[threadIdx.x] * FACTOR;
        }"""
        (tmp_path / "add.cu").write_text(code)
        monkeypatch.setattr(launch, "FOLDER", tmp_path)
        launch._module.cache_clear()
        return launch.Kernels("add.cu", ("-DFACTOR=2",), **options)

    @pytest.mark.parametrize("specific", [False, True])
    def test_on_the_current_stream(
        self, specific: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        major, minor = torch.cuda.get_device_capability()
        architecture = f"sm_{major}{minor}" if specific else None
        kernels = self.kernels(monkeypatch, tmp_path, architecture=architecture)
        x = torch.zeros(1000, device="cuda")
        stream = torch.cuda.Stream()
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(10_000_000)
            x.fill_(1.0)
            for shared in (4096, 100 * 1024):
                arguments = (x, len(x), 0.25, None)
                kernels.launch("add", (4,), (256,), arguments, x.device, shared)
            kernels.launch("add", (0,), (256,), (x, 0, 1.0, None), x.device, 1024)
        stream.synchronize()
        assert torch.equal(x, torch.full_like(x, 2.0))

    def test_a_capture_wants_compiled_kernels(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        kernels = self.kernels(monkeypatch, tmp_path)
        x = torch.zeros(100, device="cuda")
        with torch.cuda.graph(torch.cuda.CUDAGraph()):
            x.zero_()  # an empty capture would warn
            with pytest.raises(
                RuntimeError, match=r"add is not compiled yet.*run the operator once"
            ):
                kernels.launch("add", (1,), (128,), (x, 100, 1.0, None), x.device, 512)
        kernels.load("add", x.device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            kernels.launch("add", (1,), (128,), (x, 100, 1.0, None), x.device, 512)
        graph.replay()
        torch.cuda.synchronize()
        assert torch.equal(x, torch.full_like(x, 2.0))
