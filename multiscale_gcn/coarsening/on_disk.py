"""A level in a folder, and the whole way between folders."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import flag, shown
from multiscale_gcn.coarsening.descent import Descent, Stage, descend
from multiscale_gcn.coarsening.how_far import HowFar
from multiscale_gcn.convert import as_graph
from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.graph.exact import Rounding
from multiscale_gcn.hierarchy import Hierarchy, Level
from multiscale_gcn.hierarchy.stored import (
    LevelWriter,
    StoredLevel,
    finish,
    is_finished,
    is_whole,
    level_folder,
    remove_from,
    whole_or_none,
)
from multiscale_gcn.hierarchy.stored.level import Meta
from multiscale_gcn.matching import ORDER_VERSION
from multiscale_gcn.methods.heavy_edge import (
    HeavyEdgeMatching,
    MatchingMethod,
    VisitingOrderMatching,
)
from multiscale_gcn.methods.method import ClusteringMethod
from multiscale_gcn.outofcore import LevelEngine, Task
from multiscale_gcn.outofcore.amounts import as_bytes
from multiscale_gcn.outofcore.files import EdgeFiles, files_of
from multiscale_gcn.outofcore.finest import read_finest, write_finest
from multiscale_gcn.outofcore.one_machine import OneMachine
from multiscale_gcn.outofcore.progress import Progress

METHODS = (HeavyEdgeMatching, VisitingOrderMatching)
DEFAULT_MEMORY = "4GB"


@dataclass(frozen=True, eq=False)
class DiskStage(Stage):
    """See :class:`~multiscale_gcn.coarsening.descent.Stage`. A level that stands in the folder is
    not made again.

    Parameters
    ----------
    level : StoredLevel
    folder : Path
        Of the hierarchy.
    method : MatchingMethod
    engine : LevelEngine
    memory : int
        Bytes.
    progress : Progress
    asked : dict
        For ``meta.json``.
    """

    level: StoredLevel
    folder: Path
    method: MatchingMethod
    engine: LevelEngine
    memory: int
    progress: Progress
    asked: Mapping[str, Any]

    @property
    def member_sizes(self) -> np.ndarray:
        return np.array([self.level.meta.num_nodes])

    def coarser(
        self, merges: np.ndarray, exact: bool, min_nodes: int | None
    ) -> tuple[np.ndarray, DiskStage] | None:
        index = self.level.meta.index + 1
        folder = level_folder(self.folder, index)
        if is_finished(self.folder, index):
            level: StoredLevel | None = _opened(self.folder, index)
        else:
            remove_from(self.folder, index)
            self.progress.level(index)
            most = int(merges[0]) if exact else None
            task = Task(self.method, most, min_nodes, self.memory, self.progress)
            level = self._made(folder, index, task)
        shutil.rmtree(self.level.work, ignore_errors=True)
        if level is None:
            return None
        return self.level.parent(), replace(self, level=level)

    def _made(self, folder: Path, index: int, task: Task) -> StoredLevel | None:
        with whole_or_none(folder), LevelWriter(folder, self.level.graph.indices.dtype) as writer:
            if not self.engine.step(self.level, writer, task):
                return None
            return writer.finish(
                index=index,
                quantum=self.level.meta.quantum,
                constraints=self.level.constraints.coarsened(self.level.parent()),
                rounding=Rounding(),
                asked=self.asked,
            )

    def levels(
        self, stages: Sequence[DiskStage], parents: Sequence[np.ndarray]
    ) -> tuple[Level, ...]:
        return tuple(
            stage.level.as_level(parent)
            for stage, parent in zip(stages, [*parents, None], strict=True)
        )


def coarsen_to_folder(
    source: Any,
    out: Any,
    *,
    method: ClusteringMethod,
    how_far: Mapping[str, Any],
    constraints: Mapping[str, ArrayLike | None],
    memory: Any,
    engine: LevelEngine | None,
    progress: Any,
) -> tuple[Hierarchy, Descent]:
    """Coarsen between folders; returns the hierarchy, mapped, and how it ended.

    Parameters
    ----------
    source
        A path, ``EdgeFiles``, or anything that ``as_graph`` takes.
    out : str or os.PathLike
    method : ClusteringMethod
    how_far : dict
        ``sizes``, ``levels`` and ``min_nodes``.
    constraints : dict
        By their names.
    memory : int or str
    engine : LevelEngine, optional
    progress : bool
    """
    engine = _engine(engine)
    amount = as_bytes(DEFAULT_MEMORY if memory is None else memory, "memory")
    matching = _matching(method)
    given = Constraints(**constraints)  # type: ignore[arg-type]
    method.check(given, how_far["sizes"] is not None)
    refusal = engine.refusal(matching, given)
    if refusal is not None:
        raise ValueError(f"{getattr(engine, 'name', type(engine).__name__)}{refusal}")
    if how_far["sizes"] is None:
        HowFar.by_steps(how_far["levels"], how_far["min_nodes"])
    else:
        how_far = {**how_far, "sizes": list(how_far["sizes"])}
    told = Progress(flag(progress, "progress"))
    if isinstance(source, str | PathLike):
        source = EdgeFiles(source)
    asked = _asked(source, matching, how_far, given)
    folder = _folder(out, asked)
    finest = _finest(source, folder, amount, given, asked, told)
    try:
        wanted = HowFar.of(finest.graph, matching, finest.constraints, **how_far)
    except ValueError:
        remove_from(folder, 0)
        raise
    stage = DiskStage(finest, folder, matching, engine, amount, told, asked)
    descent = descend(stage, wanted)
    finish(folder, len(descent.stages), method.describe())
    return Hierarchy.load(folder), descent


def _engine(engine: Any) -> LevelEngine:
    if engine is None:
        return OneMachine()
    if isinstance(engine, type) or not isinstance(engine, LevelEngine):
        raise TypeError(
            f"engine = {shown(engine)} is none; make one, such as Ray(partitions=8), "
            "Dask(client, partitions=8) or Spark(session, partitions=8), or leave it out for one "
            "machine"
        )
    return engine


def _matching(method: ClusteringMethod) -> MatchingMethod:
    if type(method) not in METHODS:
        known = " and ".join(kind.__name__ for kind in METHODS)
        raise ValueError(
            f"method = {shown(method)} does not go with out, for which there are {known}; leave "
            "out aside to coarsen in memory"
        )
    assert isinstance(method, MatchingMethod)
    return method


def _asked(
    source: Any, method: MatchingMethod, how_far: Mapping[str, Any], constraints: Constraints
) -> dict[str, Any]:
    """All on which the levels depend, as JSON has it."""
    if isinstance(source, EdgeFiles):
        content: Any = {
            "edges": files_of(source.edges, "edges").stamp(),
            "nodes": None if source.nodes is None else files_of(source.nodes, "nodes").stamp(),
            "node_weights": _digest(source.node_weights),
            "num_nodes": source.num_nodes,
            "symmetrize": source.symmetrize,
            "renumber": source.renumber,
        }
    else:
        graph = as_graph(source)
        arrays = (graph.indptr, graph.indices, graph.weights, graph.node_weights)
        content = [*map(_digest, arrays), None if graph.names is None else _hash(repr(graph.names))]
    return {
        "source": content,
        "method": method.describe(),
        "how far": {
            name: value if value is None or name == "sizes" else int(value)
            for name, value in how_far.items()
        },
        "constraints": {name: _digest(array) for name, array in constraints.arrays().items()},
        "order_version": ORDER_VERSION,
    }


def _digest(array: Any) -> str | None:
    if array is None:
        return None
    content = np.ascontiguousarray(array)
    return _hash(f"{content.dtype} {content.shape} {hashlib.sha256(content.data).hexdigest()}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


OTHER = {"how far": "other sizes, levels or min_nodes", "constraints": "other constraints"}
"""What two calls of one folder may differ in, where its name does not say it."""


def _folder(out: Any, asked: Mapping[str, Any]) -> Path:
    """The folder, which is new, empty, or holds levels that the same call made."""
    try:
        folder = Path(fspath(out))
        folder.mkdir(exist_ok=True)
    except (TypeError, ValueError):
        raise ValueError(f"out = {shown(out)} must be the path of a folder") from None
    except FileNotFoundError:
        raise FileNotFoundError(
            f"out = {shown(str(out))}: there is no folder {folder.parent}; make it"
        ) from None
    except FileExistsError:
        raise FileExistsError(f"out = {shown(str(out))} is a file; name a folder") from None
    except OSError as error:
        text = f"out = {shown(str(out))} cannot be made: {error.strerror}; name another folder"
        raise OSError(error.errno, text) from None
    if is_finished(folder, 0):
        before = Meta.read(level_folder(folder, 0)).asked
        differs = [name for name in asked if before.get(name) != asked[name]]
        if differs:
            raise ValueError(
                f"out = {shown(str(folder))} has the levels of another call, with "
                f"{OTHER.get(differs[0], f'another {differs[0]}')}; name another folder, or "
                "remove it"
            )
    elif any(not path.name.startswith("level-") for path in folder.iterdir()):
        raise ValueError(
            f"out = {shown(str(folder))} holds other files; name an empty folder or a new one"
        )
    return folder


def _opened(folder: Path, index: int) -> StoredLevel:
    """A level that stands there; of a hierarchy that was cut short it is read and checked, since
    a machine that went down may have lost what was not on its disk."""
    level = StoredLevel.open(level_folder(folder, index))
    if not is_whole(folder):
        level.check()
    return level


def _finest(
    source: Any,
    folder: Path,
    memory: int,
    constraints: Constraints,
    asked: Mapping[str, Any],
    progress: Progress,
) -> StoredLevel:
    where = level_folder(folder, 0)
    if is_finished(folder, 0):
        return _opened(folder, 0)
    remove_from(folder, 0)
    progress.level(0)

    def of(n: int) -> Constraints:
        constraints.check_length(n)
        return constraints

    with whole_or_none(where):
        if isinstance(source, EdgeFiles):
            return read_finest(source, where, memory, of, asked, progress)
        graph = as_graph(source)
        return write_finest(graph, where, of(graph.num_nodes), asked, progress)
