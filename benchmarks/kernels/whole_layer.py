"""Time the forms of one layer beside each other, forward.

Run from a clone: ``python -m benchmarks.kernels.whole_layer``. The forms are the kernels for a
whole layer that the device can run, which are one for Hopper and one for every device since compute
capability 8.0, and the matrix product of PyTorch beside kernels for parts of a layer. Every time is
the median of replays of a CUDA graph of several steps. The floor is the time in which the device
copies what the layer must read and write at least once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial

import cupy
import torch
from torch import Tensor

from benchmarks.kernels.semgconv import CHANNELS, REACH, ring
from benchmarks.kernels.timing import copied_bytes_a_microsecond, microseconds
from multiscale_gcn import ops
from multiscale_gcn.nn import GraphPattern
from multiscale_gcn.ops.graph_convolution.layer_arguments import LayerArguments
from multiscale_gcn.ops.graph_convolution.layer_parts.on_cuda import parts_forward
from multiscale_gcn.ops.graph_convolution.whole_layer.on_cuda import whole_layer
from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import WholeLayer


def forms() -> dict[str, Callable[[LayerArguments], Tensor]]:
    found: dict[str, Callable[[LayerArguments], Tensor]] = {}
    if torch.cuda.get_device_capability() == (9, 0):
        found["hopper"] = partial(whole_layer, form=WholeLayer.HOPPER)
    found["portable"] = partial(whole_layer, form=WholeLayer.PORTABLE)
    return found | {"parts": parts_forward}


def line(n: int, batch: int, precision: str, rate: float) -> None:
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    pattern = ops.Pattern(*(t.cuda() for t in GraphPattern(ring(n)).entries))
    x = torch.randn(n, batch, CHANNELS, device="cuda", dtype=dtype).transpose(0, 1)
    logits = torch.randn(len(pattern.rows), device="cuda", dtype=dtype)
    weight = torch.randn(2, CHANNELS, CHANNELS, device="cuda", dtype=dtype) / CHANNELS**0.5
    bias = torch.randn(CHANNELS, device="cuda", dtype=dtype)
    layer = LayerArguments(x, logits, weight, bias, pattern, True, None, True)
    steps = 50 if batch < 1000 else 10 if batch < 10000 else 3
    times = [
        f"{name} {microseconds(partial(form, layer), steps):8.1f}" for name, form in forms().items()
    ]
    floor = 2 * x.numel() * x.element_size() / rate
    text = "  ".join(times)
    print(f"{precision} N={n:2} B={batch:5}  {text}  floor {floor:7.1f}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 1024, 16384])
    parser.add_argument("--precisions", nargs="+", default=["tf32", "fp32", "bf16"])
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, cupy {cupy.__version__}")
    rate = copied_bytes_a_microsecond()
    print(f"copies {rate / 1e6:.2f} TB/s. Microseconds, forward", flush=True)
    with torch.no_grad():
        for precision in options.precisions:
            for n in REACH:
                for batch in options.batches:
                    line(n, batch, precision, rate)


if __name__ == "__main__":
    main()
