"""Time the forms of one layer beside each other, forward and backward.

Run from a clone: ``python -m benchmarks.kernels.whole_layer``. The forms are the kernels for a
whole layer that the device can run, which are one for Hopper and one for every device since compute
capability 8.0, and the matrix product of PyTorch beside kernels for parts of a layer. Every time is
the median of replays of a CUDA graph of several steps. The floor is the time in which the device
copies what must be read and written at least once: X and Y forward; X, dY and dX backward.
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
from multiscale_gcn.ops.graph_convolution.layer_parts.on_cuda import parts_backward, parts_forward
from multiscale_gcn.ops.graph_convolution.whole_layer.backward_on_cuda import whole_layer_backward
from multiscale_gcn.ops.graph_convolution.whole_layer.on_cuda import whole_layer
from multiscale_gcn.ops.graph_convolution.whole_layer.sizes import WholeLayer

Form = tuple[Callable[[LayerArguments], object], Callable[[LayerArguments, Tensor], object]]
"""What runs forward, and backward."""
ALL = [True] * 4


def whole(form: WholeLayer) -> Form:
    forward = partial(whole_layer, form=form)
    return forward, partial(whole_layer_backward, needs=ALL, form=form)


def forms() -> dict[str, Form]:
    hopper = torch.cuda.get_device_capability() == (9, 0)
    return {
        **({"hopper": whole(WholeLayer.HOPPER)} if hopper else {}),
        "portable": whole(WholeLayer.PORTABLE),
        "parts": (parts_forward, partial(parts_backward, needs=ALL)),
    }


def line(n: int, batch: int, precision: str, rate: float) -> None:
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    pattern = ops.Pattern(*(t.cuda() for t in GraphPattern(ring(n)).entries))
    x = torch.randn(n, batch, CHANNELS, device="cuda", dtype=dtype).transpose(0, 1)
    logits = torch.randn(len(pattern.rows), device="cuda", dtype=dtype)
    weight = torch.randn(2, CHANNELS, CHANNELS, device="cuda", dtype=dtype) / CHANNELS**0.5
    bias = torch.randn(CHANNELS, device="cuda", dtype=dtype)
    layer = LayerArguments(x, logits, weight, bias, pattern, True, None, True)
    upstream = torch.randn_like(x)
    steps = 50 if batch < 1000 else 10 if batch < 10000 else 3
    texts = []
    for name, (forward, backward) in forms().items():
        there = microseconds(partial(forward, layer), steps)
        back = microseconds(partial(backward, layer, upstream), steps)
        texts.append(f"{name} {there:7.1f} {back:7.1f}")
    floor = x.numel() * x.element_size() / rate
    texts.append(f"floor {2 * floor:7.1f} {3 * floor:7.1f}")
    print(f"{precision} N={n:2} B={batch:5}  {'  '.join(texts)}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 1024, 16384])
    parser.add_argument("--precisions", nargs="+", default=["tf32", "fp32", "bf16"])
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, cupy {cupy.__version__}")
    rate = copied_bytes_a_microsecond()
    print(f"copies {rate / 1e6:.2f} TB/s. Microseconds: forward, backward", flush=True)
    with torch.no_grad():
        for precision in options.precisions:
            for n in REACH:
                for batch in options.batches:
                    line(n, batch, precision, rate)


if __name__ == "__main__":
    main()
