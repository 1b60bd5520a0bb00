"""Time SemGConv on a CUDA device: its kernels, and the same layer in plain PyTorch.

Run from a clone: ``python -m benchmarks.kernels.semgconv``. Every time is the median of replays of
a CUDA graph of several steps. The floor is the time in which the device copies what the layer must
read and write at least once: X and Y forward; X, dY and dX as well backward. It is computed from
a copy that is measured first. "compiled" is the package's form in plain PyTorch under
torch.compile, which sees sizes that change; "published" follows the description of the
channel-wise layer.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import cupy
import numpy as np
import torch
from torch import Tensor

from benchmarks.kernels.timing import copied_bytes_a_microsecond, microseconds
from multiscale_gcn import Graph, as_graph, ops
from multiscale_gcn.nn import GraphPattern

CHANNELS = 128
REACH = {17: 1, 48: 3, 96: 3}


def ring(n: int) -> Graph:
    """Every node is tied to the next ones: 2 neighbours of 17 nodes, 6 of 48 and 96."""
    nodes, reach = np.arange(n), REACH[n]
    ends = (nodes[:, None] + np.arange(1, reach + 1)).ravel() % n
    edges = np.array([np.repeat(nodes, reach), ends])
    return as_graph(edges, kind="edge_index", num_nodes=n, symmetrize=True)


def published(
    x: Tensor,  # [B, N, C_in]
    logits: Tensor,  # [nnz] or [C_out, nnz]
    weight: Tensor,  # [2, C_in, C_out]
    bias: Tensor,  # [C_out]
    pattern: ops.Pattern,
) -> Tensor:  # [B, N, C_out]
    """SemGConv as Zhao et al. 2019 describe it: a masked N x N softmax, two dense products."""
    n = pattern.num_nodes
    places = pattern.rows * n + pattern.columns
    scores = logits.new_full((*logits.shape[:-1], n * n), -9e15)
    scores = scores.index_copy(-1, places, logits).unflatten(-1, (n, n))
    matrix = scores.softmax(-1).to(x.dtype)
    eye = torch.eye(n, dtype=x.dtype, device=x.device)
    own, others = x @ weight[0], x @ weight[1]
    if logits.dim() == 1:
        return (matrix * eye) @ own + (matrix * (1 - eye)) @ others + bias
    own, others = own.transpose(1, 2).unsqueeze(2), others.transpose(1, 2).unsqueeze(2)
    mixed = own @ (matrix * eye).mT + others @ (matrix * (1 - eye)).mT
    return mixed.squeeze(2).transpose(1, 2) + bias


def forms(per_channel: bool, alone: bool) -> dict[str, Callable[..., Tensor]]:
    def kernels(*arguments: Tensor) -> Tensor:
        return ops.semgconv(*arguments, backend="cupy")  # type: ignore[arg-type]

    def dense(*arguments: Tensor) -> Tensor:
        return ops.semgconv(*arguments, backend="torch")  # type: ignore[arg-type]

    if alone:
        return {"kernels": kernels}
    other = {"published": published} if per_channel else {"compiled": torch.compile(dense)}
    return {"kernels": kernels, **other}


def line(
    n: int, batch: int, precision: str, per_channel: bool, rate: float, alone: bool = False
) -> None:
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    pattern = ops.Pattern(*(t.cuda() for t in GraphPattern(ring(n)).entries))
    entries = len(pattern.rows)
    x = torch.randn(n, batch, CHANNELS, device="cuda", dtype=dtype).transpose(0, 1)
    x.requires_grad_()
    shape = (CHANNELS, entries) if per_channel else (entries,)
    logits = torch.randn(shape, device="cuda", dtype=dtype, requires_grad=True)
    weight = torch.randn(2, CHANNELS, CHANNELS, device="cuda", dtype=dtype) / CHANNELS**0.5
    weight.requires_grad_()
    bias = torch.randn(CHANNELS, device="cuda", dtype=dtype, requires_grad=True)
    leaves = (x, logits, weight, bias)
    upstream = torch.randn_like(x)
    steps = 50 if batch < 1000 else 10 if batch < 10000 else 3
    texts, times = [], []
    for name, form in forms(per_channel, alone).items():

        def forward(form: Callable[..., Tensor] = form) -> None:
            with torch.no_grad():
                form(*leaves, pattern)

        def both(form: Callable[..., Tensor] = form) -> None:
            torch.autograd.grad(form(*leaves, pattern), leaves, upstream)

        try:
            pair = [microseconds(forward, steps), microseconds(both, steps)]
        except torch.OutOfMemoryError:
            texts.append(f"{name} out of memory")
            continue
        times.append(pair)
        texts.append(f"{name} {pair[0]:8.1f} {pair[1]:9.1f}")
        torch.cuda.empty_cache()
    floor = 2 * x.numel() * x.element_size() / rate
    ratios = [f"floor {floor:7.1f} {2.5 * floor:8.1f}"]
    ratios.append(f"of the floor {times[0][0] / floor:5.2f} {times[0][1] / (2.5 * floor):5.2f}")
    if len(times) == 2:
        ratios.append(
            f"faster by {times[1][0] / times[0][0]:5.1f} {times[1][1] / times[0][1]:5.1f}"
        )
    kind = "per channel" if per_channel else "shared"
    print(f"{kind:11} {precision} N={n:2} B={batch:5}  {'  '.join([*texts, *ratios])}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 1024, 16384])
    parser.add_argument("--precisions", nargs="+", default=["tf32", "fp32", "bf16"])
    parser.add_argument("--alone", action="store_true", help="time the kernels and nothing else")
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    torch._dynamo.config.cache_size_limit = 64
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, cupy {cupy.__version__}")
    rate = copied_bytes_a_microsecond()
    print(f"copies {rate / 1e6:.2f} TB/s. Microseconds: forward, forward and backward", flush=True)
    for n in REACH:
        for batch in (b for b in options.batches if b < 10000):
            line(n, batch, "tf32", True, rate, options.alone)
    for precision in options.precisions:
        for n in REACH:
            for batch in options.batches:
                line(n, batch, precision, False, rate, options.alone)


if __name__ == "__main__":
    main()
