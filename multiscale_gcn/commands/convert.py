"""convert: the graph of a file in another format."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from multiscale_gcn.checks.libraries import library
from multiscale_gcn.checks.writing import place_of, whole_file
from multiscale_gcn.commands.source import Source
from multiscale_gcn.convert import to_networkx
from multiscale_gcn.graph import Graph


@dataclass(frozen=True)
class Convert:
    """Write the graph of a file in another format, each edge once, with its weight."""

    source: Annotated[Source, tyro.conf.OmitArgPrefixes]
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """.csv, .tsv or .parquet: columns source, target, weight; .mtx, .npz: the symmetric matrix;
    .graphml, .gml: a network, which keeps weights of nodes too."""

    def run(self) -> None:
        write = WRITERS.get(self.out.suffix.lower())
        if write is None:
            raise ValueError(
                f"out = {str(self.out)!r} has no suffix that is written: {', '.join(WRITERS)}"
            )
        place_of(self.out)
        graph = self.source.graph()
        content = write(graph)
        with whole_file(self.out) as file:
            file.write(content)
        print(f"wrote {graph!r} to {self.out}")


def _edges(graph: Graph) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows, columns = graph.edge_index()
    once = rows <= columns
    ends = [rows[once], columns[once]]
    if graph.names is not None:
        names = np.empty(graph.num_nodes, dtype=object)
        names[:] = [str(name) for name in graph.names]
        ends = [names[end] for end in ends]
    return ends[0], ends[1], graph.weights[once]


def _text(delimiter: str) -> Callable[[Graph], bytes]:
    def write(graph: Graph) -> bytes:
        import csv

        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        writer.writerow(["source", "target", "weight"])
        for u, v, weight in zip(*(part.tolist() for part in _edges(graph)), strict=True):
            writer.writerow([u, v, repr(weight)])
        return text.getvalue().encode()

    return write


def _parquet(graph: Graph) -> bytes:
    arrow = library("pyarrow", "writing .parquet files", "tables")
    parquet = library("pyarrow.parquet", "writing .parquet files", "tables")
    columns = dict(zip(("source", "target", "weight"), _edges(graph), strict=True))
    content = io.BytesIO()
    parquet.write_table(arrow.table({name: arrow.array(a) for name, a in columns.items()}), content)
    return content.getvalue()


def _matrix_market(graph: Graph) -> bytes:
    from scipy.io import mmwrite

    content = io.BytesIO()
    mmwrite(content, graph.to_scipy(), symmetry="symmetric", precision=17)
    return content.getvalue()


def _npz(graph: Graph) -> bytes:
    from scipy.sparse import save_npz

    content = io.BytesIO()
    save_npz(content, graph.to_scipy())
    return content.getvalue()


def _network(form: str) -> Callable[[Graph], bytes]:
    def write(graph: Graph) -> bytes:
        import networkx as nx

        network = to_networkx(graph)
        if graph.names is not None:
            labels = dict(enumerate(map(str, graph.names)))
            network = nx.relabel_nodes(network, labels)
        lines = nx.generate_graphml(network) if form == "graphml" else nx.generate_gml(network)
        return "\n".join([*lines, ""]).encode()

    return write


WRITERS: dict[str, Callable[[Graph], bytes]] = {
    ".csv": _text(","),
    ".tsv": _text("\t"),
    ".parquet": _parquet,
    ".mtx": _matrix_market,
    ".npz": _npz,
    ".graphml": _network("graphml"),
    ".gml": _network("gml"),
}
