"""Time HGN on a CPU: the latency of one pose, and a training step.

Run from a clone: ``python -m benchmarks.nn.hgn_on_cpu``. The networks have 17 joints, rings of 48
and 96 nodes with 6 neighbours each, and the same weights. They take turns in every round, by
two calls of which the second is timed. A row has the median and the fastest turn by the clock, the
median of the processor's time, which others on the machine disturb less, and the median of the
ratios of that, round by round, to the first row, which is the published design in plain PyTorch
(``benchmarks.nn.published``). The last column is how far its answer is from the first row's,
relative to the largest number.

``--threads`` sets those of PyTorch and of onnxruntime.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.nn.layers import ring
from benchmarks.nn.published import PublishedHGN
from examples.hgn_pose.body.skeleton import skeleton_graph
from examples.hgn_pose.network.architectures.hgn import HGN
from multiscale_gcn.nn import Folded

Ask = Callable[[Tensor], Any]
"""From [B, 17, 2] to the poses [B, 17, 3], and meshes."""


def stirred(channels: int) -> HGN:
    """A network of which no normalisation is the identity."""
    torch.manual_seed(0)
    network = HGN(skeleton_graph(), ring(48, 3), ring(96, 3), channels)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.1)
    return network.eval()


def in_inference(network: Any) -> Ask:
    def ask(x: Tensor) -> Any:
        with torch.inference_mode():
            return network(x)

    return ask


def compiled(network: nn.Module) -> Ask:
    """Without inference mode, whose tensors PyTorch's guards take for others."""
    run = torch.compile(network, dynamic=False)

    def ask(x: Tensor) -> Any:
        with torch.no_grad():
            return run(x)

    return ask


def in_bfloat16(network: nn.Module) -> Ask:
    def ask(x: Tensor) -> Any:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            return network(x)

    return ask


def session(path: Path, threads: int) -> Ask:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    loaded = onnxruntime.InferenceSession(
        path, sess_options=options, providers=["CPUExecutionProvider"]
    )
    name = loaded.get_inputs()[0].name
    return lambda x: [torch.from_numpy(y) for y in loaded.run(None, {name: x.numpy()})]


def exported(network: nn.Module, x: Tensor, path: Path) -> None:
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(network, (x,), dynamo=True, verbose=False)
    logging.disable(logging.NOTSET)
    assert program is not None
    program.save(path, external_data=False)


def in_int8(network: nn.Module, x: Tensor, folder: Path) -> Path:
    """Static: scales of activations are found on random inputs."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self, name: str) -> None:
            self.left = iter([{name: torch.randn_like(x).numpy()} for _ in range(64)])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.left, None)

    import onnx

    whole, shaped, path = (folder / f"{name}.onnx" for name in ("whole", "shaped", "int8"))
    exported(network, x, whole)
    quant_pre_process(whole, shaped)
    reader = Reader(onnx.load(shaped).graph.input[0].name)
    logging.disable(logging.WARNING)
    quantize_static(shaped, path, reader)
    logging.disable(logging.NOTSET)
    return path


def table(title: str, runs: dict[str, Callable[[], object]], notes: list[str], rounds: int) -> None:
    clock: dict[str, list[float]] = {name: [] for name in runs}
    work: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 3):
        for name, run in runs.items():
            run()  # what it needs is near by then, as in a row of calls
            start, at_work = time.perf_counter(), time.process_time()
            run()
            if turn >= 3:
                work[name].append(1e3 * (time.process_time() - at_work))
                clock[name].append(1e3 * (time.perf_counter() - start))
    print(f"{title:40} median ms   fastest  processor   ratio  difference")
    first = next(iter(work.values()))
    for (name, taken), note in zip(work.items(), notes, strict=True):
        ratio = statistics.median(a / b for a, b in zip(first, taken, strict=True))
        middle, least = statistics.median(clock[name]), min(clock[name])
        numbers = f"{middle:10.2f}{least:10.2f}{statistics.median(taken):11.2f}{ratio:8.2f}"
        print(f"  {name:38}{numbers}  {note}", flush=True)


def latency(
    channels: int, batch: int, threads: int, rounds: int, lower: bool, compiling: bool
) -> None:
    network = stirred(channels)
    x = torch.randn(batch, 17, 2)
    asks: dict[str, Ask] = {
        "published design, PyTorch": in_inference(PublishedHGN(network).eval()),
        "library": in_inference(network),
        "library, Folded": in_inference(Folded(network).eval()),
    }
    if compiling:
        asks["library, torch.compile"] = compiled(network)
    with TemporaryDirectory() as name:
        path = Path(name) / "library.onnx"
        exported(network, x, path)
        asks["library, ONNX by onnxruntime"] = session(path, threads)
        path = Path(name) / "folded.onnx"
        exported(Folded(network).eval().for_export(), x, path)
        asks["library, Folded, ONNX by onnxruntime"] = session(path, threads)
        path = Path(name) / "published.onnx"
        exported(PublishedHGN(network).eval(), x, path)
        asks["published design, ONNX by onnxruntime"] = session(path, threads)
        if lower:
            asks["library, autocast to bfloat16"] = in_bfloat16(network)
            asks["library, static int8 by onnxruntime"] = session(
                in_int8(network, x, Path(name)), threads
            )
        expected = asks["published design, PyTorch"](x)[0]
        notes = []
        for ask in asks.values():
            off = (ask(x)[0] - expected).abs().max() / expected.abs().max()
            notes.append(f"{float(off):.1e}")
        runs: dict[str, Callable[[], object]] = {
            name: partial(ask, x) for name, ask in asks.items()
        }
        table(f"one answer, B = {batch}", runs, notes, rounds)


def training(channels: int, batch: int, rounds: int, compiling: bool) -> None:
    x = torch.randn(batch, 17, 2)
    targets = [torch.randn(batch, n, 3) for n in (17, 48, 96)]

    def step_of(network: nn.Module, run: Any) -> Callable[[], object]:
        network.train()
        optimizer = torch.optim.Adam(network.parameters())

        def step() -> None:
            optimizer.zero_grad()
            outputs = zip(run(x), targets, strict=True)
            torch.stack([(y - target).square().mean() for y, target in outputs]).sum().backward()
            optimizer.step()

        return step

    networks = (PublishedHGN(stirred(channels)), stirred(channels), stirred(channels))
    runs = {
        "published design, PyTorch": step_of(networks[0], networks[0]),
        "library": step_of(networks[1], networks[1]),
    }
    if compiling:
        run = torch.compile(networks[2], dynamic=False)
        runs["library, torch.compile"] = step_of(networks[2], run)
    table(f"a training step, B = {batch}", runs, [""] * len(runs), rounds)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--batches", type=int, nargs="+", default=[1])
    parser.add_argument("--training-batch", type=int, default=64, help="0: no training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--training-rounds", type=int, default=5)
    parser.add_argument("--no-compiled", action="store_true", help="leave torch.compile out")
    parser.add_argument("--lower", action="store_true", help="int8 and bfloat16 too")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    print(f"CPU, torch {torch.__version__}, {options.threads} threads, {options.channels} channels")
    compiling = not options.no_compiled
    for batch in options.batches:
        latency(options.channels, batch, options.threads, options.rounds, options.lower, compiling)
    if options.training_batch:
        training(options.channels, options.training_batch, options.training_rounds, compiling)


if __name__ == "__main__":
    main()
