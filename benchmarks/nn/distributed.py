"""Train, evaluate and coarsen on several GPUs: what is equal to one GPU, and how fast it is.

Run from a clone: ``python -m benchmarks.nn.distributed``. It starts a process for each GPU, prints
a row as soon as it is measured, and writes them all as JSON. A row that fails is told, and the next
one is taken by new processes. After ``--seconds`` no other row is begun. On processors: ``--device
cpu --processes 2 --quick``.

Networks are HGN with 128 channels in float32. Samples are repeated where there are fewer than steps
need. Steps are those of the example's trainer: from the augmentation to the new weights.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.distributed as dist
from torch import Tensor

from benchmarks.nn.mesh_parts import Convolutions, Part
from benchmarks.nn.million import triangulated_grid
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.passports import passport_of
from examples.hgn_pose.samples.preparing import PreparedData, prepare_data
from examples.hgn_pose.samples.samples import Samples
from examples.hgn_pose.training.checkpoint import resume_training, save_training
from examples.hgn_pose.training.distributed import synchronise_norms
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.processes import ALONE, Team
from examples.hgn_pose.training.trainer import Trainer
from multiscale_gcn import coarsen

LIMITS = {"start": 150.0, "equality": 120.0, "equality-unrecorded": 120.0}
LIMIT = 75.0
"""Seconds after which a row is given up; the first ones compile kernels."""


@dataclass
class Worker:
    """One of the processes, and what all rows need."""

    options: argparse.Namespace
    rank: int
    size: int
    device: torch.device
    teams: dict[int, Team]
    host: dist.ProcessGroup

    @cached_property
    def prepared(self) -> PreparedData:
        data = DataOptions(data=self.options.data, test_every=100)
        meshes = (48, 96) if self.meshes else ()
        return prepare_data(data, self.device, mesh_sizes=meshes)

    @property
    def meshes(self) -> bool:
        """The built-in motion has bodies, cmu17 has them only where they were fitted."""
        return self.options.data == "builtin"

    @property
    def network(self) -> NetworkOptions:
        return NetworkOptions("hgn", channels=self.options.channels)

    def barrier(self) -> None:
        """Wait on the host, so that a GPU that waits has nothing to do."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        dist.barrier(self.host)

    def row(self, name: str, **values: Any) -> None:
        if self.rank == 0:
            tell(self.options.results, {"row": name, **values})

    def trainer(
        self,
        team: Team,
        options: TrainingOptions,
        samples: Samples,
        *,
        record: bool,
        kind: type[Trainer] = Trainer,
    ) -> Trainer:
        if not self.meshes:
            options = replace(options, lambda_mesh=0.0)
        model = build_network(self.network, self.prepared.hierarchy, options.seed).to(self.device)
        if options.batch_norm == "synchronised":
            model = synchronise_norms(model, team, self.device)
        cameras = self.prepared.cameras
        return kind(model, samples, cameras, options, replay=record, team=team)

    def samples(self, least: int) -> Samples:
        """The training samples, repeated until there are enough."""
        train = self.prepared.train.single
        times = -(-least // (len(train) * train.views(self.prepared.cameras)))
        if times == 1:
            return train
        return replace(
            train,
            positions=train.positions.repeat(times, 1, 1),
            meshes=tuple(mesh.repeat(times, 1, 1) for mesh in train.meshes),
            fitted=train.fitted.repeat(times),
        )


class Reversed(Trainer):
    """The same batches, whose samples stand in the opposite order: other rounding, and no more."""

    def _draws(self, seed: int) -> Iterator[tuple[Tensor, ...]]:
        for draw in super()._draws(seed):
            yield tuple(column.flip(0) for column in draw)


def losses(trainer: Trainer, steps: int) -> Tensor:  # [steps] float64
    """The mean losses of the whole batches of the first steps, which are within one epoch."""
    going = trainer.steps_to_go()
    sums = [torch.zeros_like(trainer.so_far[0])]
    for _ in range(steps):
        next(going)
        sums.append(trainer.so_far[0].clone())
    going.close()  # type: ignore[attr-defined]
    local = torch.stack(sums).diff()
    trainer.team.add_up(local)
    return local.cpu() / trainer.options.batch_size


def equality(worker: Worker, *, record: bool) -> None:
    """Losses of one GPU and of all with statistics of the whole batch."""
    steps, batch = (6, 16) if worker.options.quick else (200, 128)
    options = TrainingOptions(epochs=1, batch_size=batch)
    samples = worker.samples((steps + 2) * batch)
    found: dict[str, Tensor] = {}
    if worker.rank == 0:
        alone_recorded = worker.options.record
        for name, kind in (("alone", Trainer), ("reversed", Reversed)):
            trainer = worker.trainer(ALONE, options, samples, record=alone_recorded, kind=kind)
            found[name] = losses(trainer, steps)
    worker.barrier()
    team = worker.teams[worker.size]
    together = losses(worker.trainer(team, options, samples, record=record), steps)
    if worker.rank == 0:
        alone, turned = found["alone"], found["reversed"]
        worker.row(
            "equality",
            recorded=record,
            processes=worker.size,
            steps=steps,
            batch=batch,
            first_loss=float(alone[0]),
            last_loss=float(alone[-1]),
            apart_after_10=apart(together[:10], alone[:10]),
            apart=apart(together, alone),
            one_gpu_reversed_after_10=apart(turned[:10], alone[:10]),
            one_gpu_reversed=apart(turned, alone),
        )


def apart(some: Tensor, others: Tensor) -> float:
    """Largest relative difference."""
    return float(((some - others) / others).abs().max())


def speed(worker: Worker, *, record: bool) -> None:
    """Samples a second with statistics of each process's own."""
    for batch in (8,) if worker.options.quick else (64, 1024):
        alone = 0.0
        for size, team in worker.teams.items():
            seconds = _step_seconds(worker, team, batch, record) if worker.rank < size else 0.0
            worker.barrier()
            if worker.rank == 0:
                rate = size * batch / seconds
                alone = rate if size == 1 else alone
                worker.row(
                    "samples per second",
                    recorded=record,
                    batch_a_gpu=batch,
                    gpus=size,
                    step_ms=1e3 * seconds,
                    samples_per_second=rate,
                    times_one=rate / alone,
                )


def _step_seconds(worker: Worker, team: Team, batch: int, record: bool) -> float:
    """Median over stretches of steps, of the slowest process."""
    warm, stretches, steps = (6, 3, 25) if record else (6, 3, 6)
    if worker.options.quick:
        warm, stretches, steps = 1, 2, 1
    whole = batch * team.size
    options = TrainingOptions(epochs=1, batch_size=whole, batch_norm="local")
    samples = worker.samples(whole * (warm + stretches * steps + 2))
    trainer = worker.trainer(team, options, samples, record=record)
    going = trainer.steps_to_go()
    for _ in range(warm):
        next(going)
    times = []
    for _ in range(stretches):
        _settle(worker)
        start = time.perf_counter()
        for _ in range(steps):
            next(going)
        _settle(worker)
        times.append((time.perf_counter() - start) / steps)
    going.close()  # type: ignore[attr-defined]
    slowest = torch.tensor(statistics.median(times), dtype=torch.float64, device=worker.device)
    if not team.alone:
        dist.all_reduce(slowest, dist.ReduceOp.MAX, group=team.group)
    return float(slowest)


def _settle(worker: Worker) -> None:
    if worker.device.type == "cuda":
        torch.cuda.synchronize(worker.device)


def resume(worker: Worker) -> None:
    """Stop on all, go on alone, and go on with all again, against a run that never stopped."""
    batch, steps, epochs = (16, 2, 3) if worker.options.quick else (128, 20, 6)
    team = worker.teams[worker.size]
    rows = worker.samples(batch * steps)
    views = rows.views(worker.prepared.cameras)
    samples = _first(rows, batch * steps // views)
    data = DataOptions(data=worker.options.data).settled()
    record = worker.options.record
    state = Path(worker.options.folder) / "state.safetensors"

    def go_on(team: Team, until: int) -> Trainer:
        options = TrainingOptions(epochs=until, batch_size=batch)
        trainer = worker.trainer(team, options, samples, record=record)
        here = worker.prepared
        passport = passport_of(worker.network, here.body, here.hierarchy, data, worker.meshes)
        if state.exists():
            resume_training(state, trainer, passport)
        for _ in trainer.steps_to_go():
            pass
        if team.writes:
            save_training(state, trainer, passport)
        return trainer

    unbroken = go_on(team, epochs)
    worker.barrier()
    if worker.rank == 0:
        state.unlink()
    worker.barrier()
    third = epochs // 3
    go_on(team, third)
    worker.barrier()
    if worker.rank == 0:
        go_on(ALONE, 2 * third)
    worker.barrier()
    broken = go_on(team, epochs)
    curves = [
        torch.tensor([record.loss for record in trainer.records], dtype=torch.float64)
        for trainer in (broken, unbroken)
    ]
    worker.row(
        f"resume {worker.size} -> 1 -> {worker.size}",
        epochs=epochs,
        steps_an_epoch=steps,
        losses=[round(float(loss), 5) for loss in curves[1]],
        apart=apart(*curves),
    )


def _first(samples: Samples, rows: int) -> Samples:
    return replace(
        samples,
        positions=samples.positions[:rows],
        meshes=tuple(mesh[:rows] for mesh in samples.meshes),
        fitted=samples.fitted[:rows],
    )


def coarsening(worker: Worker) -> None:
    """All processes on the same GPU at once, and one process on every GPU."""
    on_cuda = worker.device.type == "cuda"
    graph = triangulated_grid(30 if worker.options.quick else 500)
    expected = coarsen(graph, levels=8, backend="numba").fingerprint if worker.rank == 0 else ""
    found = []
    for _ in range(2 if worker.options.quick else 5):
        worker.barrier()
        found.append(_fingerprint(graph, 0 if on_cuda else None))
    everybody: list[Any] = [None] * worker.size
    dist.all_gather_object(everybody, found, group=worker.host)
    prints = {value for values in everybody for value in values}
    worker.row(
        "coarsening, all processes on one GPU",
        nodes=graph.num_nodes,
        runs=sum(map(len, everybody)),
        equal_to_the_processor=prints == {expected},
    )
    if on_cuda and worker.rank == 0:
        devices = range(torch.cuda.device_count())
        prints = {_fingerprint(graph, index) for index in (*devices, *reversed(devices))}
        worker.row(
            "coarsening, one process on every GPU",
            gpus=len(devices),
            equal_to_the_processor=prints == {expected},
        )
    worker.barrier()


def _fingerprint(graph: Any, index: int | None) -> str:
    if index is None:
        return str(coarsen(graph, levels=8, backend="numba").fingerprint)
    import cupy

    with cupy.cuda.Device(index):
        return str(coarsen(graph, levels=8, backend="cupy").fingerprint)


def mesh(worker: Worker) -> None:
    """A large mesh, a part a process, against the whole on one."""
    side, channels, layers = (40, 8, 3) if worker.options.quick else (1000, 64, 3)
    graph = triangulated_grid(side)
    nodes = graph.num_nodes
    backend = "cupy" if worker.device.type == "cuda" else "numba"
    matrix = graph.to_scipy() + sp.eye_array(nodes)
    scale = sp.diags_array(matrix.sum(axis=1) ** -0.5)
    matrix = sp.csr_array(scale @ matrix @ scale).astype(np.float32)
    features = torch.randn(nodes, channels, generator=torch.Generator().manual_seed(0))
    found = {}
    for size in (1, worker.size):
        team = worker.teams[size]
        if worker.rank >= size:
            worker.barrier()
            continue
        labels = np.zeros(nodes, np.int64)
        if size > 1:
            hierarchy = coarsen(graph, sizes=[size], backend=backend)
            labels = hierarchy.parent(0, len(hierarchy) - 1)
        part = Part(matrix, labels, worker.rank, team.group)
        torch.manual_seed(1)
        network = Convolutions(part, channels, layers).to(worker.device)
        x = features[torch.from_numpy(part.nodes)].to(worker.device)
        found[size] = _mesh_step(worker, network, x, nodes, team)
        halo = torch.tensor(float(sum(part.sizes_fetched)), device=worker.device)
        team.add_up(halo)
        worker.barrier()
    if worker.rank == 0:
        (alone, whole, gradient), (seconds, loss, other) = found[1], found[worker.size]
        worker.row(
            "mesh in parts",
            nodes=nodes,
            channels=channels,
            layers=layers,
            parts=worker.size,
            halo_nodes=int(halo),
            step_ms_one=1e3 * alone,
            step_ms_parts=1e3 * seconds,
            times_one=alone / seconds,
            loss_apart=abs(loss - whole) / whole,
            gradient_apart=float((other - gradient).norm() / gradient.norm()),
        )


def _mesh_step(
    worker: Worker, network: Convolutions, x: Tensor, nodes: int, team: Team
) -> tuple[float, float, Tensor]:
    """Seconds of forward and backward, the loss, and the gradient of all weights."""
    times = []
    for _ in range(3 if worker.options.quick else 12):
        _settle(worker)
        start = time.perf_counter()
        network.zero_grad()
        loss = network(x).square().sum() / nodes
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
        team.add_up(gradient)
        _settle(worker)
        times.append(time.perf_counter() - start)
    total = loss.detach().double()
    team.add_up(total)
    return statistics.median(times[2:]), float(total), gradient.cpu()


ROWS: dict[str, Callable[[Worker], None]] = {
    "equality": partial(equality, record=True),
    "speed": partial(speed, record=True),
    "resume": resume,
    "coarsening": coarsening,
    "mesh": mesh,
    "equality-unrecorded": partial(equality, record=False),
    "speed-unrecorded": partial(speed, record=False),
}
"""By worth: where time is short, the last ones are left out."""


# ------------------------------------------------------------------------------ the processes


def tell(results: Path, row: dict[str, Any]) -> None:
    """Print a row, and keep it."""
    print("  ".join(f"{name} {_text(value)}" for name, value in row.items()), flush=True)
    with results.open("a") as file:
        file.write(json.dumps(row) + "\n")


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def work(options: argparse.Namespace) -> None:
    """What each of the processes does."""
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")
    device = torch.device(options.device)
    if device.type == "cuda":
        device = torch.device("cuda", rank)
        torch.cuda.set_device(device)
        dist.init_process_group("nccl", device_id=device)
    else:
        dist.init_process_group("gloo")
    sizes = [s for s in (1, 2, 4, 8) if s < size] + [size]
    groups = {s: dist.new_group(list(range(s))) for s in sizes if s > 1}
    teams = {s: Team(rank, s, groups[s]) if s > 1 else ALONE for s in dict.fromkeys(sizes)}
    worker = Worker(options, rank, size, device, teams, dist.new_group(backend="gloo"))
    begun = options.results.with_suffix(".begun")
    for name in ("start", *options.rows):
        worker.barrier()
        over = [time.time() > options.until]
        dist.broadcast_object_list(over, src=0, group=worker.host)
        if over[0]:
            worker.row("left out, for want of time", what=name)
            continue
        if rank == 0:
            begun.write_text(name)
        try:
            if name == "start":
                worker.samples(1)
            else:
                ROWS[name](worker)
            worker.barrier()
        except Exception as error:
            kind, text = type(error).__name__, " ".join(str(error).split())[:1500]
            print(f"{name}: FAILED on process {rank}: {kind}: {text}", flush=True)
            os._exit(3)
    os._exit(0)  # all is measured: nobody waits for libraries that take each other down


def start(options: argparse.Namespace, rows: Sequence[str]) -> str | None:
    """Let new processes take these rows; returns the row that failed, if one did."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begun = options.results.with_suffix(".begun")
    begun.write_text("start")
    command = [sys.executable, "-m", "benchmarks.nn.distributed", *sys.argv[1:], "--worker"]
    command += ["--results", str(options.results), "--folder", str(options.folder)]
    command += ["--until", str(options.until), "--rows", *rows]
    there = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    there |= {"WORLD_SIZE": str(options.processes)}
    workers = [
        subprocess.Popen(command, env={**os.environ, **there, "RANK": str(rank)})
        for rank in range(options.processes)
    ]
    now, since = "start", time.monotonic()
    try:
        while any(worker.poll() is None for worker in workers):
            time.sleep(0.2)
            if begun.read_text() != now:
                now, since = begun.read_text(), time.monotonic()
            if any(worker.poll() not in (None, 0) for worker in workers):
                return now
            if time.monotonic() - since > LIMITS.get(now, LIMIT):
                print(f"{now}: FAILED: not done in {LIMITS.get(now, LIMIT):.0f} s", flush=True)
                return now
        return now if any(worker.returncode for worker in workers) else None
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()


def killed(options: argparse.Namespace) -> None:
    """Kill a process of a run of torchrun in the middle, and go on alone."""
    folder = Path(options.folder) / "killed"
    train = ["-m", "examples.hgn_pose", "train", "--network", "hgn", "--data", options.data]
    train += ["--channels", "16", "--device", options.device, "--out", str(folder)]
    train += ["--batch-size", "64", "--test-every", "100"]
    if options.data != "builtin":
        train += ["--lambda-mesh", "0", "--train-every", "200"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launch += ["--nproc-per-node", str(options.processes), *train, "--epochs", "500"]
    run = subprocess.Popen(launch, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    state = folder / "state.safetensors"
    deadline = time.monotonic() + 100
    while not state.exists() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.3)
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    begin = time.monotonic()
    if len(children) == options.processes:
        os.kill(int(children[-1]), signal.SIGKILL)
    else:
        run.terminate()
    _, errors = run.communicate(timeout=60)
    sentences = [line for line in errors.splitlines() if line.startswith("error:")]
    left = sorted(path.name for path in folder.iterdir())
    seconds = time.monotonic() - begin
    epochs = len(_records(state))
    again = [sys.executable, *train, "--epochs", str(epochs + 1), "--resume"]
    resumed = subprocess.run(again, capture_output=True, text=True, timeout=60)
    tell(
        options.results,
        {
            "row": "a process killed in the middle",
            "ended_after_s": seconds,
            "status": run.returncode,
            "sentences": sentences,
            "files": left,
            "epochs_kept": epochs,
            "resumed_alone": resumed.returncode == 0 and len(_records(state)) == epochs + 1,
        },
    )


def _records(state: Path) -> list[Any]:
    from examples.hgn_pose.network.tensor_files import read_tensors

    records: list[Any] = read_tensors(state, "training")[0]["records"]
    return records


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    several = torch.cuda.device_count()
    parser.add_argument("--device", default="cuda" if several else "cpu", choices=["cuda", "cpu"])
    parser.add_argument("--processes", type=int, default=several or 2, help="by default all GPUs")
    parser.add_argument("--data", default="builtin", choices=["builtin", "cmu17"])
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument(
        "--record",
        action=argparse.BooleanOptionalAction,
        default=several > 0,
        help="also measure steps that are recorded as CUDA graphs",
    )
    names = [*ROWS, "killed"]
    parser.add_argument("--rows", nargs="+", choices=names, default=names)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see whether it runs")
    parser.add_argument("--out", type=Path, default=Path("runs/distributed.json"))
    parser.add_argument(
        "--seconds", type=float, default=110.0, help="after which no other row is begun"
    )
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--results", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        work(options)
        return
    options.until = time.time() + options.seconds
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        options.folder, options.results = folder, Path(folder) / "rows.jsonl"
        options.results.touch()
        gpus = [torch.cuda.get_device_name(k) for k in range(several)]
        machine = gpus if options.device == "cuda" else ["CPU"]
        tell(
            options.results,
            {"row": "machine", "devices": machine, "torch": torch.__version__},
        )
        recorded = () if options.record else ("equality", "speed")
        rows = [name for name in options.rows if name in ROWS and name not in recorded]
        while rows:
            failed = start(options, rows)
            rows = rows[rows.index(failed) + 1 :] if failed in rows else []
        if "killed" in options.rows and time.time() > options.until:
            tell(options.results, {"row": "left out, for want of time", "what": "killed"})
        elif "killed" in options.rows:
            try:
                killed(options)
            except Exception as error:
                print(f"killed: FAILED: {type(error).__name__}: {error}", flush=True)
        results = [json.loads(line) for line in options.results.read_text().splitlines()]
    options.out.write_text(json.dumps(results, indent=2) + "\n")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
