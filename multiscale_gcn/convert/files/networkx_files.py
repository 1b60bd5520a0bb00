"""GraphML, GML and GEXF, through networkx."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from multiscale_gcn.convert.assembly import Entries
from multiscale_gcn.convert.networks import from_networkx
from multiscale_gcn.convert.options import Options


def read_graphml(path: Path, options: Options) -> Entries:
    import networkx as nx

    return _read(nx.read_graphml, path, options)


def read_gml(path: Path, options: Options) -> Entries:
    import networkx as nx

    # By their ids, as labels may be missing, or the same twice.
    return _read(lambda p: nx.read_gml(p, label="id"), path, options)


def read_gexf(path: Path, options: Options) -> Entries:
    import networkx as nx

    return _read(nx.read_gexf, path, options)


def _read(reader: Callable[[Path], Any], path: Path, options: Options) -> Entries:
    try:
        graph = reader(path)
    except Exception as error:
        raise ValueError(
            f"networkx cannot read {path} ({type(error).__name__}: {error}); look whether it is a "
            f"{path.suffix} file, and whole"
        ) from error
    if graph.number_of_nodes() == 0:
        raise ValueError(f"{path} holds no nodes; look whether it is a {path.suffix} file")
    return from_networkx(graph, options)
