"""Time HGN in evaluation as one kernel, beside the kernels of its layers.

Run from a clone, on a GPU: ``python -m benchmarks.nn.one_kernel``. "Recorded" is the median of
replays of a CUDA graph, "call" that of calls until the device is done, "host" the part of a call
that keeps Python busy. "Error" is that of the pose against the network in float64 on the CPU.
"First" is the first call of a network, which compiles where no process did before.
``--kinds`` shows where the time goes: that of each kind of instruction alone, with what it takes
per instruction.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence
from functools import partial
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from benchmarks.kernels.timing import microseconds
from benchmarks.nn.hgn import layer_by_layer
from benchmarks.nn.host import done_microseconds, evaluation, hgn, host_microseconds
from multiscale_gcn.nn import MultiScaleGCN, whole_network
from multiscale_gcn.ops.whole_network import on_cuda
from multiscale_gcn.ops.whole_network.encoding import MAKE, Walk, launches

always_chosen = patch.object(whole_network, "loss", lambda *_: None)
WAIT, COLUMNS = 1, 7
"""In the words of a piece of work: whether warps wait, and the columns of its result."""


def randomised(network: MultiScaleGCN) -> MultiScaleGCN:
    """With statistics and scales that nothing starts with."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if "norm" in name and tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5)
    return network.eval()


def error(found: Tensor, expected: Tensor) -> float:
    return float((found.double().cpu() - expected).norm() / expected.norm())


def row(chosen: bool, network: MultiScaleGCN, batch: int, repeats: int, name: str) -> None:
    device = torch.device("cuda")
    model = copy.deepcopy(network).to(device)
    x = torch.randn(batch, 17, 2)
    with torch.no_grad():
        expected = copy.deepcopy(network).double()(x[:16].double())[0]
    x = x.to(device)
    with always_chosen if chosen else layer_by_layer:
        times(model, x, expected, repeats, name)


def times(model: MultiScaleGCN, x: Tensor, expected: Tensor, repeats: int, name: str) -> None:
    device, batch = x.device, len(x)
    start = time.perf_counter()
    run = evaluation(partial(model, x))
    run()
    torch.cuda.synchronize()
    first = time.perf_counter() - start
    run()
    with torch.no_grad():
        wrong = error(model(x)[0][:16], expected)
    recorded = microseconds(run, 1 if batch > 100 else 3, repeats)
    host, done = (m(run, device, repeats) for m in (host_microseconds, done_microseconds))
    print(
        f"{name:10} B={batch:5}  recorded {recorded:9.1f}  "
        f"call {done:9.1f}  host {host:9.1f}  error {wrong:.1e}  "
        f"first {first:5.2f} s",
        flush=True,
    )


def times_of(network: MultiScaleGCN, batch: int, repeats: int) -> None:
    """Of each kind of instruction; what it computes alone is of no use."""
    model = copy.deepcopy(network).cuda()
    x = torch.randn(batch, 17, 2, device="cuda")
    with torch.no_grad():
        program = whole_network.program_of(model)
        workspace = x.new_zeros(program.preparation.size)
        outputs = [x.new_empty((batch, f.nodes, f.channels)) for f in program.outputs]
        whole = on_cuda.walk_of(program, x.device)
        made = [(m, on_cuda.table_of(m.tasks, x)) for m in launches(program.preparation)]

        def arrange() -> None:
            for launch, table in made:
                on_cuda.launch_arrange(launch, table, workspace)

        def walked(lists: np.ndarray) -> float:
            part = Walk(np.ascontiguousarray(lists), whole.memory)
            part.lists[-1, :, WAIT] = 1
            table = on_cuda.table_of(part.lists, x)

            def run() -> None:
                on_cuda.launch_walk(part, table, workspace, [x, *outputs], batch)

            return microseconds(run, 3, repeats)

        arrange()
        tasks = sum(len(launch.tasks) for launch, _ in made)
        print(f"arrange    {microseconds(arrange, 3, repeats):9.1f}  {tasks} tasks")
        lists = whole.lists
        print(f"walk       {walked(lists):9.1f}  {len(lists)} places, {4 * whole.memory} bytes")
        near = lists.copy()
        near[:, :, COLUMNS] = 0  # the stride of weights
        print(f"walk       {walked(near):9.1f}  if all weights were in the nearest cache")
        parts: dict[str, list[int]] = {}
        for place, words in enumerate(lists.tolist()):
            kinds = dict.fromkeys(kind_of(work) for work in words)
            parts.setdefault("; ".join(kinds), []).append(place)
        for kind, places in parts.items():
            time = walked(lists[places])
            print(f"{len(places):3} x {time / len(places):6.2f} = {time:8.1f}  {kind}", flush=True)


def kind_of(words: Sequence[int]) -> str:
    """In a word, what a piece of work is."""
    kind, tiles, rows, x, steps, nodes, columns = (words[k] for k in (0, 2, 5, 10, 13, 16, 20))
    if kind != MAKE:
        return ("idle", "read", "write")[kind]
    product = f"{16 * steps} channels" if x >= 0 else ""
    mixed = ("", f"{8 * columns} nodes", f"attention of {8 * columns}")[nodes]
    return " ".join(filter(None, (f"{rows} rows by {tiles}:", product, mixed)))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64, 1024])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--alone", action="store_true", help="without the kernels of layers")
    parser.add_argument("--float32", action="store_true", help="without TF32")
    parser.add_argument("--kinds", action="store_true", help="times of kinds of instructions")
    options = parser.parse_args(arguments)
    torch.backends.cuda.matmul.allow_tf32 = not options.float32
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; microseconds", flush=True)
    network = randomised(hgn(options.channels, torch.device("cpu")))
    reason = whole_network.program_or_reason(
        copy.deepcopy(network).cuda(), [torch.zeros(1, 17, 2, device="cuda")]
    )
    if isinstance(reason, str):
        print(f"one kernel does not run: {reason}")
    for batch in options.batches:
        if options.kinds:
            times_of(network, batch, options.repeats)
            continue
        for chosen in (True,) if options.alone else (True, False):
            name = "one kernel" if chosen else "kernels"
            row(chosen, network, batch, options.repeats, name)


if __name__ == "__main__":
    main()
