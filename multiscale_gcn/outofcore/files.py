"""Which files hold the edges of a graph, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from multiscale_gcn.checks.arguments import flag, shown, whole_number
from multiscale_gcn.checks.arrays import real_array
from multiscale_gcn.convert.files.packed import refuse_packed
from multiscale_gcn.convert.options import Symmetrize, as_symmetrize
from multiscale_gcn.graph.constraints import MOST_NODES

KINDS = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}


@dataclass(frozen=True, eq=False)
class EdgeFiles:
    """Edges in Parquet, Arrow or CSV files, for :func:`~multiscale_gcn.coarsen` with ``out``.

    Columns ``u`` and ``v`` (or ``source`` and ``target``, ``from`` and ``to``, ``src`` and ``dst``)
    name the two ends of an edge, ``w`` (or ``weight``) its weight, 1 without such a column. Rows
    of the same two nodes in the same direction add up, in the order of the files and their rows.
    Either each edge stands once, in any direction, or each stands in both, with the same weight;
    ``symmetrize`` says what to do with other files.

    Parameters
    ----------
    edges : str or os.PathLike
        A file, or a folder of files of one format, taken in the order of their names.
    nodes : str or os.PathLike, optional
        A file or folder with a column ``id``, of every node once, and a column ``weight``, its
        node weight.
    node_weights : array of float, shape (n,), optional
        Instead of ``nodes``, where ids are numbers.
    num_nodes : int, optional
        One more than the largest id by default. Not where nodes have names.
    symmetrize : bool or {"mirror", "max", "mean", "sum"}, optional
        As in :func:`~multiscale_gcn.as_graph`.
    renumber : bool
        Whether integer ids are names: those that occur are numbered in increasing order, as texts
        always are. ``nodes/ids.parquet`` of the finest level then has the columns ``id`` and
        ``node``.

    Raises
    ------
    ValueError
        For options that do not go together, and for a format that is not read.
    FileNotFoundError
        If there is no such file or folder, or a folder without files of a format that is read.

    See Also
    --------
    coarsen : all levels at once
    Spark : levels on a cluster of Spark
    Ray : levels on a cluster of Ray
    Dask : levels on a cluster of Dask

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from multiscale_gcn import EdgeFiles, coarsen
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "edges.csv"
    ...     _ = path.write_text("u,v,w\\n0,1,2\\n1,2,1\\n2,3,2\\n")
    ...     files = EdgeFiles(path, num_nodes=5)
    ...     coarsen(files, levels=1, memory="100MB", out=Path(folder) / "levels").sizes
    (5, 3)
    """

    edges: str | PathLike[str]
    nodes: str | PathLike[str] | None = None
    node_weights: ArrayLike | None = None
    num_nodes: int | None = None
    symmetrize: Symmetrize | bool | None = None
    renumber: bool = False

    def __post_init__(self) -> None:
        files_of(self.edges, "edges")
        if self.nodes is not None:
            files_of(self.nodes, "nodes")
        if self.num_nodes is not None:
            number = whole_number(self.num_nodes, "num_nodes", least=0, most=MOST_NODES)
            object.__setattr__(self, "num_nodes", number)
        if self.symmetrize is not None:
            object.__setattr__(self, "symmetrize", as_symmetrize(self.symmetrize))
        object.__setattr__(self, "renumber", flag(self.renumber, "renumber"))
        if self.node_weights is not None:
            weights = real_array(self.node_weights, "node_weights").astype(np.float64)
            object.__setattr__(self, "node_weights", weights)
        given = [
            name
            for name in ("nodes", "node_weights", "num_nodes")
            if getattr(self, name) is not None
        ]
        if self.renumber and given[-1:] in (["node_weights"], ["num_nodes"]):
            raise ValueError(
                f"{given[-1]} does not go with renumber=True, which numbers the ids that occur; "
                "give nodes, a file with the columns id and weight"
            )
        if self.nodes is not None and len(given) > 1:
            raise ValueError(f"{given[-1]} does not go with nodes, which says it; leave it out")


@dataclass(frozen=True)
class Files:
    """Files of one format.

    Attributes
    ----------
    paths : tuple of Path
        In the order in which they are read.
    kind : str
        "parquet", "csv" or "arrow".
    """

    paths: tuple[Path, ...]
    kind: str

    def stamp(self) -> list[list[Any]]:
        """By which files that were changed are known: names, sizes and times."""
        return [
            [str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns]
            for path in self.paths
        ]


def files_of(source: Any, name: str) -> Files:
    """The files that a path names, itself or those of a folder.

    Raises
    ------
    FileNotFoundError
        If there are none.
    ValueError
        If they are of no format that is read, or of several.
    """
    try:
        path = Path(fspath(source))
        is_file, is_folder = path.is_file(), path.is_dir()
    except (OSError, TypeError, ValueError):  # too long, no text, or with a zero byte
        is_file = is_folder = False
    if is_file:
        paths = [path]
    elif is_folder:
        paths = sorted(
            file
            for file in path.rglob("*")
            if file.is_file() and not file.name.startswith(("_", "."))
        )
    else:
        paths = []
    if not paths:
        raise FileNotFoundError(
            f"{name} = {shown(source)[:300]} is no file and no folder with files; give the path "
            "of Parquet, Arrow or CSV files"
        )
    kinds = {KINDS.get(file.suffix.lower()) for file in paths}
    unknown = [file for file in paths if file.suffix.lower() not in KINDS]
    if unknown:
        refuse_packed(unknown[0])
        raise ValueError(
            f"{name}: {unknown[0]} has none of the suffixes {', '.join(KINDS)}; rename it or "
            "leave it out"
        )
    if len(kinds) > 1:
        raise ValueError(
            f"{name}: {path} has files of several formats, {', '.join(sorted(map(str, kinds)))}; "
            "give a folder of one"
        )
    return Files(tuple(paths), str(kinds.pop()))
