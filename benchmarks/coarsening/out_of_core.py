"""Graphs on disk: what a level, a hierarchy and the reading of Parquet take.

    python -m benchmarks.coarsening.out_of_core WHAT [--graph grid|rmat] [--edges 100e6]
        [--memory 4GB] [--limit 4GB] [--folder FOLDER] [--sizes 100000]

``WHAT`` is ``step``, from the finest level, whose files are out of the cache of the system, to the
next; ``read``, from a Parquet file to the finest level; ``hierarchy``, from the finest level down
to ``--sizes``; or ``flat``, steps of ``--edges`` and of 4 and 16 times as many. ``--memory`` is
what ``coarsen`` is told. Under ``--limit`` the system lets the process have so many bytes, the
cached pages of its files included; that takes root and cgroups.

Each row has the seconds by the clock and of the processors, millions of edges a second by the
clock and a processor's second, the most bytes that were resident (mapped files included) and of
the heap alone, bytes read from and written to the disk. The grid has unit weights; R-MAT is that
of Graph500 with permuted ids and integer weights from 1 to 1000.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import numpy as np

from multiscale_gcn import Constraints, EdgeFiles, HeavyEdgeMatching, Hierarchy, coarsen
from multiscale_gcn.graph.exact import Rounding, quantum_of
from multiscale_gcn.hierarchy.stored import LevelWriter, StoredLevel, level_folder
from multiscale_gcn.outofcore import Task
from multiscale_gcn.outofcore.amounts import as_bytes
from multiscale_gcn.outofcore.one_machine import OneMachine
from multiscale_gcn.outofcore.progress import Progress

ROWS = 1 << 20
"""Rows of a grid, or edges of R-MAT, that are made at a time."""
EDGE_FACTOR = 16


def grid(folder: Path, edges: float) -> StoredLevel:
    """A square grid as a finest level, with about so many edges."""
    width = int((edges / 2) ** 0.5)
    n = width * width
    level = LevelWriter(folder, LevelWriter.id_type_of(n))
    for low in range(0, n, ROWS):
        ids = np.arange(low, min(low + ROWS, n))
        row, column = np.divmod(ids, width)
        there = np.stack([row > 0, column > 0, column < width - 1, row < width - 1], axis=1)
        ends = np.stack([ids - width, ids - 1, ids + 1, ids + width], axis=1)[there]
        level.append(there.sum(axis=1), ends, np.ones(len(ends)))
    level.close()
    level.write_node_weights(np.ones(n))
    return level.finish(
        index=0,
        quantum=quantum_of(level.num_entries, 1.0),
        constraints=Constraints(),
        rounding=Rounding(),
        asked={},
    )


def rmat(path: Path, edges: float) -> int:
    """R-MAT in a Parquet file, of a power of two of nodes and 16 edges a node; returns how many
    rows there are. Rows of the same two nodes stand more than once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    scale = max(4, round(np.log2(edges / EDGE_FACTOR)))
    rng = np.random.default_rng(0)
    permutation = rng.permutation(1 << scale)
    schema = pa.schema([("u", pa.int64()), ("v", pa.int64()), ("w", pa.int32())])
    rows = 0
    with pq.ParquetWriter(path, schema) as writer:
        for low in range(0, EDGE_FACTOR << scale, ROWS):
            count = min(ROWS, (EDGE_FACTOR << scale) - low)
            u, v = np.zeros(count, np.int64), np.zeros(count, np.int64)
            for _ in range(scale):
                quadrant = rng.random(count)
                down = quadrant > 0.57 + 0.19
                u = 2 * u + down
                v = 2 * v + np.where(down, quadrant > 0.95, quadrant > 0.57)
            kept = u != v
            u, v = permutation[u[kept]], permutation[v[kept]]
            weights = rng.integers(1, 1001, len(u))
            writer.write_table(pa.table([u, v, weights.astype(np.int32)], schema=schema))
            rows += len(u)
    return rows


def grid_file(path: Path, edges: float) -> int:
    """The grid in a Parquet file, each edge once; returns how many there are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    width = int((edges / 2) ** 0.5)
    rows = 0
    with pq.ParquetWriter(path, pa.schema([("u", pa.int64()), ("v", pa.int64())])) as writer:
        for low in range(0, width * width, ROWS):
            ids = np.arange(low, min(low + ROWS, width * width))
            right, below = ids[ids % width < width - 1], ids[ids < width * (width - 1)]
            u, v = np.concatenate([right, below]), np.concatenate([right + 1, below + width])
            writer.write_table(pa.table({"u": u, "v": v}))
            rows += len(u)
    return rows


def prepare(folder: Path, graph: str, edges: float) -> StoredLevel:
    """The finest level of a graph, made once."""
    where = level_folder(folder, 0)
    if not (where / "meta.json").exists():
        if graph == "grid":
            return grid(where, edges)
        path = folder / "rmat.parquet"
        rmat(path, edges)
        source = EdgeFiles(path, symmetrize="sum")
        coarsen(source, levels=0, out=folder / "read", memory="2GB")
        (folder / "read" / "level-000").rename(where)
        shutil.rmtree(folder / "read")
        path.unlink()
    return StoredLevel.open(where)


def forget(folder: Path) -> None:
    """Have the pages of all files leave the cache of the system."""
    for path in folder.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def run(what: str, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    """One of the jobs, in this process."""
    compile_all()
    began, before = time.perf_counter(), usage()
    memory = as_bytes(options.memory, "memory")
    if what == "step":
        fine = StoredLevel.open(level_folder(folder, 0))
        edges = fine.meta.num_edges
        coarse = LevelWriter(level_folder(folder, 1), fine.graph.indices.dtype)
        told = Progress(options.progress)
        OneMachine().step(fine, coarse, Task(HeavyEdgeMatching(), None, None, memory, told))
        finished(coarse, fine)
    elif what == "read":
        path = folder / f"{options.graph}.parquet"
        source = EdgeFiles(path, symmetrize="sum" if options.graph == "rmat" else None)
        hierarchy = coarsen(
            source, levels=0, memory=memory, out=folder / "levels", progress=options.progress
        )
        edges = hierarchy[0].graph.num_edges
    else:
        hierarchy = descend(folder, options, memory)
        edges = hierarchy[0].graph.num_edges
    after = usage()
    return {
        "edges": edges,
        "seconds": time.perf_counter() - began,
        **{name: after[name] - before[name] for name in ("processor", "read", "written")},
        **{name: after[name] for name in ("resident", "heap")},
    }


def compile_all() -> None:
    """Have all kernels compiled, or read from where they are kept."""
    with TemporaryDirectory() as name:
        path = Path(name) / "grid.parquet"
        grid_file(path, 80_000)
        coarsen(path, levels=1, memory="20MB", out=Path(name) / "levels")


def descend(folder: Path, options: argparse.Namespace, memory: int) -> Hierarchy:
    """Steps from the finest level that is there to fewer nodes than were asked for."""
    from multiscale_gcn.hierarchy.stored import finish

    level, index = StoredLevel.open(level_folder(folder, 0)), 0
    method, told = HeavyEdgeMatching(), Progress(options.progress)
    while level.meta.num_nodes > options.sizes:
        index += 1
        began = time.perf_counter()
        coarse = LevelWriter(level_folder(folder, index), level.graph.indices.dtype)
        most = level.meta.num_nodes - options.sizes
        OneMachine().step(level, coarse, Task(method, most, None, memory, told))
        level = finished(coarse, level)
        print(
            f"  level {index}: {level.meta.num_nodes} nodes, {time.perf_counter() - began:.1f} s",
            file=sys.stderr,
        )
    finish(folder, index + 1, method.describe())
    return Hierarchy.load(folder)


def finished(coarse: LevelWriter, fine: StoredLevel) -> StoredLevel:
    return coarse.finish(
        index=fine.meta.index + 1,
        quantum=fine.meta.quantum,
        constraints=Constraints(),
        rounding=Rounding(),
        asked={},
    )


def usage() -> dict[str, float]:
    """What this process took so far."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    files = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return {
        "processor": time.process_time(),
        "resident": float(status["VmHWM"].split()[0]) * 1024,
        "heap": float(status["RssAnon"].split()[0]) * 1024,
        "read": float(files["read_bytes"]),
        "written": float(files["write_bytes"]),
    }


class Limit:
    """A control group that lets its processes have so many bytes; None: no limit."""

    def __init__(self, amount: int | None) -> None:
        self.folder: Path | None = None
        if amount is None:
            return
        root = Path("/sys/fs/cgroup")
        first = (root / "memory").is_dir()
        self.folder = (root / "memory" if first else root) / f"out_of_core_{uuid4().hex}"
        self.folder.mkdir()
        name = "memory.limit_in_bytes" if first else "memory.max"
        (self.folder / name).write_text(str(amount))

    def enter(self) -> None:
        if self.folder is not None:
            (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self) -> None:
        if self.folder is not None:
            self.folder.rmdir()


def measured(what: str, folder: Path, arguments: list[str], limit: int | None) -> dict[str, float]:
    """The same in a process of its own, from files that are not in memory."""
    forget(folder)
    group = Limit(limit)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.coarsening.out_of_core", what, *arguments[1:],
             "--child", str(folder)],
            stdout=subprocess.PIPE, preexec_fn=group.enter, check=True, text=True,
        )  # fmt: skip
    finally:
        group.remove()
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(name: str, found: dict[str, float]) -> str:
    edges = found["edges"] / 1e6
    return (
        f"{name:10} {edges:8.1f} {found['seconds']:8.1f} {found['processor']:8.1f} "
        f"{edges / found['seconds']:8.2f} {edges / found['processor']:8.2f} "
        f"{found['resident'] / 1e9:8.2f} {found['read'] / 1e9:8.2f} {found['written'] / 1e9:8.2f}"
    )


HEAD = (
    f"{'':10} {'M edges':>8} {'s':>8} {'cpu s':>8} {'M/s':>8} {'M/cpu s':>8} "
    f"{'GB peak':>8} {'GB read':>8} {'GB out':>8}"
)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    made.add_argument("what", choices=("step", "read", "hierarchy", "flat"))
    made.add_argument("--graph", choices=("grid", "rmat"), default="grid")
    made.add_argument("--edges", type=float, default=1e6)
    made.add_argument("--memory", default="4GB")
    made.add_argument("--limit")
    made.add_argument("--folder", type=Path)
    made.add_argument("--sizes", type=int, default=100_000)
    made.add_argument("--progress", action="store_true")
    made.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return made


def main(arguments: list[str]) -> None:
    options = parser().parse_args(arguments)
    if options.child is not None:
        print(json.dumps(run(options.what, options.child, options)))
        return
    limit = None if options.limit is None else as_bytes(options.limit, "limit")
    print(HEAD)
    sizes = [options.edges * k for k in ((1, 4, 16) if options.what == "flat" else (1,))]
    for edges in sizes:
        with TemporaryDirectory(dir=options.folder) as name:
            folder = Path(name)
            what = "step" if options.what == "flat" else options.what
            if what == "read":
                make = grid_file if options.graph == "grid" else rmat
                make(folder / f"{options.graph}.parquet", edges)
            else:
                prepare(folder, options.graph, edges)
            print(row(options.graph, measured(what, folder, arguments, limit)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
