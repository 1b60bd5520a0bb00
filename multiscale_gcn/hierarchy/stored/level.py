"""One level in its folder: written once, as a whole, and opened without being read."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from multiscale_gcn.checks.writing import whole_file
from multiscale_gcn.compiled.functions import compiled
from multiscale_gcn.graph import LARGEST_INT32, Graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import Rounding
from multiscale_gcn.graph.names import Name, as_json, from_json
from multiscale_gcn.hierarchy.files import OF_GRAPH
from multiscale_gcn.hierarchy.level import Level
from multiscale_gcn.hierarchy.stored.arrays import ArrayWriter, allocated, digest, mapped, readable
from multiscale_gcn.matching import ORDER_VERSION

FORMAT = "multiscale_gcn.Level"
FORMAT_VERSION = 1
META = "meta.json"
NAMES = "names.json"
WORK = "work"
IDS = (np.int32, np.int64)
CONSTRAINTS = tuple(field.name for field in fields(Constraints))


@dataclass(frozen=True)
class Meta:
    """What a level says of itself.

    Attributes
    ----------
    index : int
        0 is the finest.
    num_nodes, num_entries, num_edges : int
        As :class:`~multiscale_gcn.Graph` counts them.
    quantum : float
        Every weight is a multiple of it, and every sum of them exact.
    fingerprint : str
        Of the arrays of the graph: SHA-256, as 64 hex digits.
    constraints : tuple of str
        Of which there are arrays in ``nodes/``.
    rounding : Rounding
        What making the weights of the finest level exact changed.
    named : bool
        Whether ``nodes/names.json`` has the names of the nodes, of a graph that was in memory.
    asked : dict
        What the call asked for that made the level, as JSON has it.
    order_version : int
        Of the edge order.
    """

    index: int
    num_nodes: int
    num_entries: int
    num_edges: int
    quantum: float
    fingerprint: str
    constraints: tuple[str, ...] = ()
    rounding: Rounding = field(default_factory=Rounding)
    named: bool = False
    asked: Mapping[str, Any] = field(default_factory=dict)
    order_version: int = ORDER_VERSION

    @classmethod
    def read(cls, folder: Path) -> Meta:
        """What stands in the ``meta.json`` of a level's folder.

        Raises
        ------
        ValueError
            If it is damaged, or of another format.
        OSError
            If it cannot be read: the level was never finished.
        """
        try:
            content = json.loads((folder / META).read_text())
            kind, version = content.pop("format"), content.pop("format_version")
            if kind != FORMAT or version > FORMAT_VERSION:
                raise ValueError(f"its format is {kind!r}, {version}")
            content["rounding"] = Rounding(**content["rounding"])
            content["constraints"] = tuple(content["constraints"])
            return cls(**content)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"{folder / META} is damaged, or not ours ({error}); remove the folder {folder}, "
                "and the call that made it makes it again"
            ) from None

    def write(self, folder: Path) -> None:
        """Write it under another name and rename it: from then on the level is whole."""
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        with whole_file(folder / META) as file:
            file.write(json.dumps(content, indent=1).encode())


@dataclass(frozen=True, eq=False)
class StoredLevel:
    """A finished level, mapped into memory; nothing is read before it is asked for.

    Attributes
    ----------
    folder : Path
    meta : Meta
    graph : Graph
    constraints : Constraints
    """

    folder: Path
    meta: Meta
    graph: Graph
    constraints: Constraints

    @classmethod
    def open(cls, folder: Path) -> StoredLevel:
        """Map the arrays.

        Raises
        ------
        ValueError
            If an array is missing, or is not as long as ``meta.json`` says.
        OSError
            If there is no ``meta.json``, or a file cannot be read.
        """
        meta = Meta.read(folder)
        n, nnz = meta.num_nodes, meta.num_entries
        edges, nodes = folder / "edges", folder / "nodes"
        try:
            graph = Graph._of_valid(
                readable(edges / "indptr.npy", (np.int64,), n + 1),
                readable(edges / "indices.npy", IDS, nnz),
                readable(edges / "weights.npy", (np.float64,), nnz),
                readable(nodes / "weights.npy", (np.float64,), n),
                meta.quantum,
            )
            if meta.named:
                text = (nodes / NAMES).read_text()
                graph = graph._with_names(from_json(json.loads(text)))
            arrays: dict[str, Any] = dict.fromkeys(CONSTRAINTS)
            for name in meta.constraints:
                kind = np.bool_ if name == "survivors" else np.int64
                arrays[name] = readable(nodes / f"{name}.npy", (kind,), n)
        except FileNotFoundError as error:
            raise ValueError(
                f"{error.filename} is missing, and {folder / META} says that the level is whole; "
                f"remove the folder {folder}, and the call that made it makes it again"
            ) from None
        return cls(folder, meta, graph, Constraints._of_valid(**arrays))

    @property
    def work(self) -> Path:
        """A folder for what outlives whoever works on the next level; removed when that is whole,
        or when there is none."""
        return self.folder / WORK

    def parent(self) -> np.ndarray:
        """Node of the next level that each node belongs to, mapped; the next level is whole."""
        return readable(self.folder / "nodes" / "parent.npy", IDS, self.meta.num_nodes)

    def as_level(self, parent: np.ndarray | None) -> Level:
        """The level as others know it, still mapped."""
        return Level._of_valid(
            index=self.meta.index,
            graph=self.graph,
            parent=parent,
            constraints=self.constraints,
            sampled=None,
            interpolation=None,
        )

    def check(self) -> None:
        """Read all of the graph.

        Raises
        ------
        ValueError
            If it has not the fingerprint that it was written with.
        """
        arrays = {name: digest(getattr(self.graph, name)) for name in OF_GRAPH}
        if level_fingerprint(arrays) != self.meta.fingerprint:
            raise ValueError(
                f"{self.folder} is damaged: it has another fingerprint than its {META} says; "
                "remove that folder and those of coarser levels, and the call that made them makes "
                "them again"
            )


def _count_loops(first_row: int, lengths: np.ndarray, columns: np.ndarray) -> int:
    """How many entries stand on the diagonal; refuses columns that do not increase."""
    loops, row = compiled(_look_at_rows)(first_row, lengths, columns)
    if row >= 0:
        raise ValueError(f"the columns of row {row} are not increasing; sort the entries of a row")
    return int(loops)


def _look_at_rows(first_row: int, lengths: np.ndarray, columns: np.ndarray) -> tuple[int, int]:
    loops, begin = 0, 0
    for i in range(len(lengths)):
        row, end = first_row + i, begin + lengths[i]
        for at in range(begin, end):
            if at > begin and columns[at] <= columns[at - 1]:
                return 0, row
            loops += columns[at] == row
        begin = end
    return loops, -1


class LevelWriter:
    """A level that is being written; what an earlier writer left there is removed first.

    Either append rows in their order, by :meth:`append`, or :meth:`allocate` the arrays and fill
    them in any order, from any number of processes. :meth:`finish` makes it a level.

    Parameters
    ----------
    folder : Path
        Of this level.
    id_type
        int32 or int64: that of the finest level, which coarser ones keep.

    Attributes
    ----------
    work : Path
        A folder for what is needed until the level is finished.
    num_entries : int
        That were appended.
    """

    def __init__(self, folder: Path, id_type: Any) -> None:
        self.folder = folder
        self.edges, self.nodes = folder / "edges", folder / "nodes"
        self.work = folder / WORK
        self.id_type = np.dtype(id_type)
        shutil.rmtree(folder, ignore_errors=True)
        self.edges.mkdir(parents=True)
        self.nodes.mkdir()
        self.work.mkdir()
        self._writers: dict[str, ArrayWriter] = {}
        self._digests: dict[str, str] = {}
        self._num_rows = self._num_loops = 0
        self.num_entries = 0

    @staticmethod
    def id_type_of(num_nodes: int) -> type:
        """The type that the ids of a finest graph of so many nodes have."""
        return np.int32 if num_nodes <= LARGEST_INT32 else np.int64

    def append(self, lengths: np.ndarray, columns: np.ndarray, weights: np.ndarray) -> None:
        """Write the rows that come next.

        Parameters
        ----------
        lengths : array of int, shape (rows,)
        columns : array of int, shape (lengths.sum(),)
            Increasing within each row.
        weights : array of float64, of the same shape

        Raises
        ------
        ValueError
            Naming the first row whose columns do not increase.
        """
        if not self._writers:
            self._writers = {
                "indptr": ArrayWriter(self.edges / "indptr.npy", np.int64),
                "indices": ArrayWriter(self.edges / "indices.npy", self.id_type),
                "weights": ArrayWriter(self.edges / "weights.npy", np.float64),
            }
            self._writers["indptr"].append(np.zeros(1, np.int64))
        ends = np.cumsum(lengths, dtype=np.int64)
        ends += self.num_entries
        self._writers["indptr"].append(ends)
        self._writers["indices"].append(columns)
        self._writers["weights"].append(weights)
        if len(lengths):
            self._num_loops += _count_loops(self._num_rows, lengths, columns)
        self._num_rows += len(lengths)
        self.num_entries += len(columns)

    def close(self) -> None:
        """No more rows come."""
        if not self._writers:
            self.append(*(np.zeros(0, kind) for kind in (np.int64, self.id_type, np.float64)))
        for name, writer in self._writers.items():
            writer.close()
            self._digests[name] = writer.digest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open, and remove what was not finished."""
        for writer in self._writers.values():
            writer.close()
        if not (self.folder / META).exists():
            shutil.rmtree(self.folder, ignore_errors=True)

    def allocate(self, num_nodes: int, num_entries: int) -> dict[str, np.ndarray]:
        """Make all arrays of the graph, zeros so far, mapped for writing.

        Returns
        -------
        dict of str to array
            "indptr", "indices", "weights" and "node_weights". Other processes map the same files
            by :func:`~multiscale_gcn.hierarchy.stored.arrays.writable`.
        """
        return {
            "indptr": allocated(self.edges / "indptr.npy", np.int64, num_nodes + 1),
            "indices": allocated(self.edges / "indices.npy", self.id_type, num_entries),
            "weights": allocated(self.edges / "weights.npy", np.float64, num_entries),
            "node_weights": allocated(self.nodes / "weights.npy", np.float64, num_nodes),
        }

    def write_node_weights(self, weights: np.ndarray) -> None:
        """Write the weight of every node."""
        with ArrayWriter(self.nodes / "weights.npy", np.float64) as writer:
            writer.append(weights)
        self._digests["node_weights"] = writer.digest

    def write_names(self, names: Iterable[Name]) -> None:
        """Write the names of the nodes of a graph that was in memory."""
        text = json.dumps([as_json(name) for name in names])
        (self.nodes / NAMES).write_text(text)

    def changed(self, name: str) -> None:
        """An array of the graph was written to after it was written."""
        self._digests.pop(name, None)

    def finish(
        self,
        *,
        index: int,
        quantum: float,
        constraints: Constraints,
        rounding: Rounding,
        asked: Mapping[str, Any],
    ) -> StoredLevel:
        """Write the constraints and, last of all, ``meta.json``.

        Returns
        -------
        StoredLevel

        Raises
        ------
        ValueError
            If the arrays do not have the lengths that go with each other.
        """
        given = {name: array for name, array in constraints.arrays().items() if array is not None}
        for name, array in given.items():
            with ArrayWriter(self.nodes / f"{name}.npy", array.dtype) as writer:
                writer.append(array)
        n = len(mapped(self.nodes / "weights.npy"))
        graph = Graph._of_valid(
            readable(self.edges / "indptr.npy", (np.int64,), n + 1),
            mapped(self.edges / "indices.npy"),
            mapped(self.edges / "weights.npy"),
            mapped(self.nodes / "weights.npy"),
            quantum,
        )
        in_order = (self.num_entries - self._num_loops) // 2
        arrays = {
            name: self._digests.get(name) or digest(getattr(graph, name)) for name in OF_GRAPH
        }
        meta = Meta(
            index=index,
            num_nodes=n,
            num_entries=graph.num_entries,
            num_edges=in_order if self._writers else graph.num_edges,
            quantum=quantum,
            fingerprint=level_fingerprint(arrays),
            constraints=tuple(given),
            rounding=rounding,
            named=(self.nodes / NAMES).exists(),
            asked=dict(asked),
        )
        shutil.rmtree(self.work, ignore_errors=True)
        meta.write(self.folder)
        return StoredLevel.open(self.folder)


def write_parent(folder: Path, parent: np.ndarray, id_type: Any) -> None:
    """Write the parent map of the level in this folder, before the next level is finished."""
    with ArrayWriter(folder / "nodes" / "parent.npy", id_type) as writer:
        writer.append(parent)


def level_fingerprint(arrays: Mapping[str, str]) -> str:
    """SHA-256 of what :func:`~multiscale_gcn.hierarchy.stored.arrays.digest` says of each array."""
    return hashlib.sha256(json.dumps(arrays, sort_keys=True).encode()).hexdigest()
