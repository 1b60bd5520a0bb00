"""Time non-local attention on a CUDA device: its kernels, and the same in plain PyTorch.

Run from a clone: ``python -m benchmarks.kernels.nonlocal_attention``. Every time is the median of
replays of a CUDA graph of several steps. The floor is the time in which the device copies what must
be read and written at least once: values, sources and targets and the result forward; these, the
upstream gradient and the gradient of the values backward. With many nodes, whose sorted order must
be known before anything can be summed, values (and the upstream gradient) count twice. It is
computed from a copy that is measured first. "plain" is the package's form in plain PyTorch,
"compiled" that under torch.compile, which sees sizes that change.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import cupy
import torch
from torch import Tensor

from benchmarks.kernels.timing import copied_bytes_a_microsecond, microseconds
from multiscale_gcn import ops
from multiscale_gcn.ops.nonlocal_attention.on_cuda import MOST_BLOCK_NODES

Form = Callable[[Tensor], Tensor]


def kernels(joined: Tensor) -> Tensor:
    return ops.nonlocal_attention_joined(joined, backend="cupy")


def plain(joined: Tensor) -> Tensor:
    return ops.nonlocal_attention_joined(joined, backend="torch")


compiled = torch.compile(plain, dynamic=True)


def pair(form: Form, x: Tensor, upstream: Tensor, steps: int) -> list[float]:
    """Forward; forward and backward."""

    def forward() -> None:
        with torch.no_grad():
            form(x)

    def both() -> None:
        torch.autograd.grad(form(x), x, upstream)

    replays = 7 if x.shape[1] <= MOST_BLOCK_NODES else 3
    times = [microseconds(run, steps, replays) for run in (forward, both)]
    torch.cuda.empty_cache()
    return times


def compare(
    forms: dict[str, Form], x: Tensor, upstream: Tensor, steps: int
) -> tuple[str, list[float]]:
    """A text of all times, and the times of the first form."""
    texts: list[str] = []
    first: list[float] = []
    for name, form in forms.items():
        try:
            times = pair(form, x, upstream, steps)
        except torch.OutOfMemoryError:
            texts.append(f"{name} out of memory")
            continue
        first = first or times
        texts.append(f"{name} {times[0]:8.1f} {times[1]:9.1f}")
    return "  ".join(texts), first


def operator(nodes: int, batch: int, channels: int, dtype: torch.dtype, rate: float) -> None:
    joined = torch.randn(nodes, batch, channels + 2, device="cuda", dtype=dtype).transpose(0, 1)
    joined.requires_grad_()
    upstream = torch.randn(nodes, batch, channels, device="cuda", dtype=dtype).transpose(0, 1)
    forms: dict[str, Form] = {"kernels": kernels, "plain": plain, "compiled": compiled}
    size = nodes * batch * joined.element_size()
    values, numbers = size * channels, size * 2
    again = 2 if nodes > MOST_BLOCK_NODES else 1
    floors = [(again * values + numbers + values) / rate]
    floors.append(floors[0] + (again * 2 * values + 2 * numbers + values) / rate)
    steps = 1 if nodes > MOST_BLOCK_NODES else max(1, min(50, int(3e4 / floors[1])))
    text, first = compare(forms, joined, upstream, steps)
    ratios = f"of the floor {first[0] / floors[0]:5.2f} {first[1] / floors[1]:5.2f}"
    kind = str(dtype).removeprefix("torch.")
    print(
        f"{kind:8} N={nodes:7} B={batch:5}  {text}  floor {floors[0]:7.1f} "
        f"{floors[1]:8.1f}  {ratios}",
        flush=True,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[17, 48, 96])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 1024, 16384])
    parser.add_argument("--large", type=int, nargs="*", default=[6890, 1_000_000])
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch._dynamo.config.cache_size_limit = 64
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, cupy {cupy.__version__}")
    rate = copied_bytes_a_microsecond()
    print(f"copies {rate / 1e6:.2f} TB/s. Microseconds: forward, forward and backward", flush=True)
    for dtype in (getattr(torch, name) for name in options.dtypes):
        for nodes in options.nodes:
            for batch in options.batches:
                operator(nodes, batch, options.channels, dtype, rate)
        for nodes in options.large:
            operator(nodes, 1, options.channels, dtype, rate)


if __name__ == "__main__":
    main()
