"""Time batch normalisation in training, with ReLU and a sum, on a CUDA device.

Run from a clone: ``python -m benchmarks.kernels.batch_norm``. Every time is the median of replays
of a CUDA graph of several steps. "plain" is PyTorch's module, ReLU and sum one after the other,
"compiled" that under torch.compile. The floor is the time in which the device copies what must be
read and written at least once: features, what is added, and the result forward; these, and the
features, the upstream gradient and the gradient backward. It is computed from a copy that is
measured first.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence

import cupy
import torch
from torch import Tensor, nn

from benchmarks.kernels.timing import copied_bytes_a_microsecond, microseconds
from multiscale_gcn.nn.apply_norm import apply_norm
from multiscale_gcn.ops import on_rows

Form = Callable[[nn.BatchNorm1d, Tensor, Tensor], Tensor]


def kernels(norm: nn.BatchNorm1d, x: Tensor, add: Tensor) -> Tensor:
    return apply_norm(norm, x, relu=True, add=add)


def plain(norm: nn.BatchNorm1d, x: Tensor, add: Tensor) -> Tensor:
    return on_rows(norm, x).relu_() + add


FORMS: dict[str, Form] = {
    "kernels": kernels,
    "plain": plain,
    "compiled": torch.compile(plain, dynamic=False),
}


def pair(form: Form, nodes: int, batch: int, channels: int, dtype: torch.dtype) -> list[float]:
    """Forward; forward and backward."""
    norm = nn.BatchNorm1d(channels).cuda()
    shape = (nodes, batch, channels)
    x, add, upstream = (
        torch.randn(shape, device="cuda", dtype=dtype).transpose(0, 1) for _ in range(3)
    )
    x.requires_grad_()

    def forward() -> None:
        with torch.no_grad():
            form(norm, x, add)

    def both() -> None:
        torch.autograd.grad(form(norm, x, add), [x, *norm.parameters()], upstream)

    steps = max(1, min(50, 3 * 10**8 // x.nbytes))
    times = [microseconds(run, steps) for run in (forward, both)]
    torch.cuda.empty_cache()
    return times


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[17, 48, 96])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 1024, 16384])
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--alone", action="store_true", help="time the kernels only")
    options = parser.parse_args(arguments)
    torch._dynamo.config.cache_size_limit = 64
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, cupy {cupy.__version__}")
    rate = copied_bytes_a_microsecond()
    print(f"copies {rate / 1e6:.2f} TB/s. Microseconds: forward, forward and backward", flush=True)
    sizes = itertools.product(options.dtypes, options.nodes, options.batches)
    for kind, nodes, batch in sizes:
        dtype = getattr(torch, kind)
        size = nodes * batch * options.channels * dtype.itemsize
        floors = [3 * size / rate, 6 * size / rate]
        forms = {"kernels": kernels} if options.alone else FORMS
        times = {
            name: pair(form, nodes, batch, options.channels, dtype) for name, form in forms.items()
        }
        texts = [f"{name} {one:8.1f} {two:8.1f}" for name, (one, two) in times.items()]
        ratios = [time / floor for time, floor in zip(times["kernels"], floors, strict=True)]
        print(
            f"{kind:8} N={nodes:3} B={batch:5}  {'  '.join(texts)}  floor {floors[0]:7.1f} "
            f"{floors[1]:7.1f}  of the floor {ratios[0]:5.2f} {ratios[1]:5.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
