"""Time what a call costs the host: layers, blocks and HGN, evaluation and forward with backward.

Run from a clone: ``python -m benchmarks.nn.host``, on a GPU unless ``--device cpu`` is given. A row
has the median microseconds that a call keeps Python busy, over bursts so short that the device's
queue never fills; of HGN also the time until the device is done. ``--compiled`` adds plain PyTorch
under ``torch.compile``, which takes minutes to compile. ``--profile FILE`` writes where the time of
HGN's calls goes, by cProfile.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import pstats
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.nn.hgn import layer_by_layer, plain_pytorch
from benchmarks.nn.layers import ring
from examples.hgn_pose.body.skeleton import skeleton_graph
from examples.hgn_pose.network.architectures.hgn import HGN
from multiscale_gcn.nn import CrossScaleFusion, GraphConvBlock, NonLocal, ResGConv, SemGConv

Run = Callable[[], object]
SIZES = (17, 48, 96)
BURST = 8
"""Calls between two waits for the device."""


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def host_microseconds(run: Run, device: torch.device, repeats: int) -> float:
    """Median time of a call, without the device's."""
    times = []
    for _ in range(repeats + 2):
        synchronize(device)
        start = time.perf_counter()
        for _ in range(BURST):
            run()
        times.append(1e6 * (time.perf_counter() - start) / BURST)
    synchronize(device)
    return statistics.median(times[2:])


def done_microseconds(run: Run, device: torch.device, repeats: int) -> float:
    """Median time until the device is done."""
    times = []
    for _ in range(repeats + 2):
        synchronize(device)
        start = time.perf_counter()
        run()
        synchronize(device)
        times.append(1e6 * (time.perf_counter() - start))
    return statistics.median(times[2:])


def evaluation(call: Callable[[], object]) -> Run:
    def run() -> None:
        with torch.no_grad():
            call()

    return run


def there_and_back(call: Callable[[], Any], parameters: Sequence[Tensor]) -> Run:
    """A call and its gradients, which are set to None as an optimizer does."""
    made = _flat(call())
    upstream = [torch.randn_like(y) for y in made]

    def run() -> None:
        torch.autograd.backward(_flat(call()), upstream)
        for parameter in parameters:
            parameter.grad = None

    return run


def _flat(outputs: Any) -> list[Tensor]:
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


def layers(channels: int, device: torch.device, batch: int) -> Iterator[tuple[str, nn.Module, Any]]:
    """Name, module and the arguments of a call."""
    graph = ring(48, 3)

    def features(nodes: int) -> Tensor:
        return torch.randn(nodes, batch, channels, device=device).transpose(0, 1)

    x = features(48)
    yield "nn.Linear", nn.Linear(channels, channels), (x,)
    yield "SemGConv", SemGConv(channels, channels, graph), (x,)
    yield "GraphConvBlock", GraphConvBlock(channels, channels, graph), (x,)
    yield "NonLocal", NonLocal(channels), (x,)
    yield "ResGConv", ResGConv(channels, graph), (x,)
    yield "CrossScaleFusion", CrossScaleFusion(SIZES), ([features(n) for n in SIZES],)


def hgn(channels: int, device: torch.device) -> HGN:
    graphs = (skeleton_graph(), ring(48, 3), ring(96, 3))
    return HGN(*graphs, channels).to(device)


def layer_rows(form: str, channels: int, device: torch.device, repeats: int) -> None:
    for name, module, inputs in layers(channels, device, 64):
        module.to(device)

        def call(module: nn.Module = module, inputs: Any = inputs) -> Any:
            return module(*inputs)

        module.eval()
        forward = host_microseconds(evaluation(call), device, repeats)
        module.train()
        step = there_and_back(call, list(module.parameters()))
        both = host_microseconds(step, device, repeats)
        print(f"{name:17} B=64 {form:14} evaluation {forward:8.0f}  both {both:8.0f}", flush=True)


def network_rows(form: str, model: HGN, run: Any, device: torch.device, repeats: int) -> None:
    evaluation_rows(form, model, run, device, repeats)
    many = torch.randn(64, 17, 2, device=device)
    model.train()
    step = there_and_back(lambda: run(many), list(model.parameters()))
    host, done = (m(step, device, repeats) for m in (host_microseconds, done_microseconds))
    print(f"HGN-{model.channels[0]:<13} B=64 {form:14} both       {host:8.0f}  ", end="")
    print(f"done {done:8.0f}", flush=True)


def evaluation_rows(form: str, model: HGN, run: Any, device: torch.device, repeats: int) -> None:
    one, many = (torch.randn(batch, 17, 2, device=device) for batch in (1, 64))
    for name, inputs in (("B= 1", one), ("B=64", many)):
        model.eval()
        infer = evaluation(partial(run, inputs))
        host, done = (m(infer, device, repeats) for m in (host_microseconds, done_microseconds))
        print(f"HGN-{model.channels[0]:<13} {name} {form:14} evaluation {host:8.0f}  ", end="")
        print(f"done {done:8.0f}", flush=True)


def profiled(name: str, run: Run, device: torch.device, calls: int) -> str:
    """Where the time of so many calls goes."""
    run()
    synchronize(device)
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(calls):
        run()
    profile.disable()
    synchronize(device)
    text = io.StringIO()
    statistics_of = pstats.Stats(profile, stream=text)
    for order in ("tottime", "cumulative"):
        statistics_of.sort_stats(order).print_stats(60)
    return f"{name}, {calls} calls\n{text.getvalue()}\n"


def write_profile(file: Path, channels: int, device: torch.device) -> None:
    model = hgn(channels, device)
    one, many = (torch.randn(batch, 17, 2, device=device) for batch in (1, 64))
    model.eval()
    text = profiled("evaluation, B=1", evaluation(lambda: model(one)), device, 20)
    model.train()
    step = there_and_back(lambda: model(many), list(model.parameters()))
    # The thread that runs backward passes is another one; on this thread it is in plain sight.
    with torch.autograd.set_multithreading_enabled(False):
        text += profiled("forward and backward, B=64", step, device, 10)
    file.write_text(text)
    print(f"profile: {file}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", type=torch.device, default=torch.device("cuda"))
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--alone", action="store_true", help="without plain PyTorch")
    parser.add_argument("--compiled", action="store_true", help="with plain PyTorch, compiled")
    parser.add_argument("--profile", type=Path, help="where to write a profile")
    options = parser.parse_args(arguments)
    device, repeats = options.device, options.repeats
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = True
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}; microseconds of the host", flush=True)
    forms = ["plain"] if device.type == "cpu" else ["kernels"]
    forms += ["plain"] * (device.type == "cuda" and not options.alone)
    for form in forms:
        with plain_pytorch if form == "plain" else layer_by_layer:
            layer_rows(form, options.channels, device, repeats)
            model = hgn(options.channels, device)
            network_rows(form, model, model, device, repeats)
    if device.type == "cuda":
        model = hgn(options.channels, device)
        evaluation_rows("one kernel", model, model, device, repeats)
    if options.compiled:
        with plain_pytorch:
            model = hgn(options.channels, device)
            compiled = torch.compile(model, dynamic=False)
            network_rows("plain compiled", model, compiled, device, repeats)
    if options.profile is not None:
        write_profile(options.profile, options.channels, device)


if __name__ == "__main__":
    main()
