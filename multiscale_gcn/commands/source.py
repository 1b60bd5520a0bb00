"""The file that a command reads, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from multiscale_gcn.convert import as_graph
from multiscale_gcn.convert.files.table import format_of
from multiscale_gcn.graph import Graph


@dataclass(frozen=True)
class Source:
    """A graph or a mesh in a file."""

    file: Annotated[Path, tyro.conf.Positional]
    """Edges (.csv .tsv .txt .parquet), a matrix (.mtx .npz .metis), a network (.graphml .gml .gexf)
    or a mesh (.obj .ply .off .stl .glb, and what meshio reads)."""
    symmetrize: Literal["mirror", "max", "mean", "sum", "no"] = "mirror"
    """How two directions of an edge become one. mirror: what stands in one direction only stands in
    both; no: the file must have both. Meshes have no directions."""
    weights: str | None = None
    """Column or attribute that holds the weights; of a mesh, cotangent or inverse_length."""

    def graph(self) -> Graph:
        """Read it; raises what ``as_graph`` does."""
        if not self._has_directions:
            return as_graph(self.file, weights=self.weights)
        wanted = False if self.symmetrize == "no" else self.symmetrize
        return as_graph(self.file, weights=self.weights, symmetrize=wanted)

    @property
    def _has_directions(self) -> bool:
        return "symmetrize" in format_of(self.file)[0].sort.accepts
