"""Time HGN: a training step (forward, backward, Adam) and inference.

Run from a clone: ``python -m benchmarks.nn.hgn``, on a GPU with ``--device cuda``. The meshes are
rings of 48 and 96 nodes with 6 neighbours each. On a CPU the network runs as it is and compiled,
and the times are medians of runs that take turns. On a CUDA device it runs on the kernels of this
package and in plain PyTorch, each as it is and compiled; there a step is recorded as a CUDA graph,
as the example does in training, and the times are medians of replays. "One kernel" is inference as
it is by default, in one kernel where that is faster; "kernels" are those of the layers.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import torch
from torch import nn

from benchmarks.nn.layers import medians, ring
from examples.hgn_pose.body.skeleton import skeleton_graph
from examples.hgn_pose.network.architectures.hgn import HGN
from multiscale_gcn.nn import GConv, SemGConv, network
from multiscale_gcn.ops import selection

Run = Callable[[], object]
CONVOLUTIONS = {"SemGConv": SemGConv, "GConv": GConv}
plain_pytorch = patch.object(selection, "cupy_hindrance", lambda: "plain PyTorch is timed")
layer_by_layer = patch.object(network, "in_one_kernel", lambda *_: None)


def training_step(model: nn.Module, run: nn.Module, batch: int, device: torch.device) -> Run:
    """A step of the model, which ``run`` runs."""
    on_cuda = device.type == "cuda"
    optimizer = torch.optim.Adam(model.parameters(), capturable=on_cuda, fused=on_cuda)
    x = torch.randn(batch, 17, 2, device=device)
    targets = [torch.randn(batch, n, 3, device=device) for n in (17, 48, 96)]

    def step() -> None:
        optimizer.zero_grad()
        outputs = zip(run(x), targets, strict=True)
        torch.stack([(y - target).square().mean() for y, target in outputs]).sum().backward()
        optimizer.step()

    return step


def inference(run: nn.Module, batch: int, device: torch.device) -> Run:
    x = torch.randn(batch, 17, 2, device=device)

    def infer() -> None:
        with torch.no_grad():
            run(x)

    return infer


def milliseconds(run: Run, device: torch.device, repeats: int) -> float:
    """Median time."""
    if device.type == "cpu":
        return medians([run], repeats)[0]
    from benchmarks.kernels.timing import microseconds

    return microseconds(run, 3, repeats) / 1e3


def line(model: nn.Module, compiled: bool, batch: int, device: torch.device, repeats: int) -> str:
    torch._dynamo.reset()
    run: Any = torch.compile(model, dynamic=False) if compiled else model
    try:
        model.train()
        step = milliseconds(training_step(model, run, batch, device), device, repeats)
        model.eval()
        infer = milliseconds(inference(run, batch, device), device, repeats)
    except torch.OutOfMemoryError:
        return "out of memory"
    return f"step {step:9.2f} ms  inference {infer:9.2f} ms  {1e3 * batch / step:9.0f} samples/s"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 1024])
    parser.add_argument("--channels", type=int, nargs="+", default=[128])
    parser.add_argument("--convolutions", nargs="+", choices=CONVOLUTIONS, default=["SemGConv"])
    parser.add_argument("--no-compiled", action="store_true", help="time no compiled networks")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args(arguments)
    device = options.device
    torch.backends.cuda.matmul.allow_tf32 = True
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    graphs = (skeleton_graph(), ring(48, 3), ring(96, 3))
    sizes = itertools.product(options.convolutions, options.channels, options.batches)
    forms = list(
        itertools.product(
            ("kernels", "plain") if device.type == "cuda" else ("plain",),
            (False,) if options.no_compiled else (False, True),
        )
    )
    forms += [("one kernel", False)] * (device.type == "cuda")
    for (conv, channels, batch), (form, compiled) in itertools.product(sizes, forms):
        torch.manual_seed(0)
        model = HGN(*graphs, channels, conv=CONVOLUTIONS[conv]).to(device)
        if form == "one kernel":
            run = inference(model.eval(), batch, device)
            text = f"inference {milliseconds(run, device, options.repeats):9.2f} ms"
        else:
            with plain_pytorch if form == "plain" else layer_by_layer:
                text = line(model, compiled, batch, device, options.repeats)
        form += " compiled" * compiled
        print(f"HGN-{channels} {conv:8} B={batch:5} {form:16} {text}", flush=True)


if __name__ == "__main__":
    main()
