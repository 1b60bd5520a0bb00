"""coarsen: a file to a hierarchy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from multiscale_gcn.checks.libraries import library
from multiscale_gcn.checks.writing import whole_file
from multiscale_gcn.coarsening import coarsen
from multiscale_gcn.commands.destinations import PAPER, check_destination
from multiscale_gcn.commands.methods import METHODS, MethodName
from multiscale_gcn.commands.picture import PAGES, draw
from multiscale_gcn.commands.source import Source


@dataclass(frozen=True)
class Coarsen:
    """Coarsen a graph or a mesh: print the table of levels, and write what is asked for."""

    source: Annotated[Source, tyro.conf.OmitArgPrefixes]
    sizes: tuple[int, ...] = ()
    """Numbers of nodes that levels must have exactly."""
    levels: int | None = None
    """Number of steps, in place of sizes."""
    min_nodes: int | None = None
    """No step is taken to fewer nodes."""
    method: MethodName = "heavy_edge"
    """How."""
    backend: str = "auto"
    """Which code runs; info lists them. All return the same."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """The hierarchy, as Hierarchy.load reads it (.npz)."""
    table: Path | None = None
    """A line for every node with its coarse node on each level (.csv)."""
    picture: Path | None = None
    """The levels side by side (.png, .svg, .pdf), or on a page, to be turned (.html)."""

    def _check(self) -> None:
        """What would otherwise be wrong when all is done."""
        if not self.sizes and self.levels is None and self.min_nodes is None:
            raise ValueError(
                "say how far to coarsen: --sizes 1000 100, --levels 3 or --min-nodes 50"
            )
        if self.out is not None:
            check_destination(self.out, "out", (".npz",))
        if self.table is not None:
            check_destination(self.table, "table", (".csv", ".txt"))
            library("pandas", "--table", "frames")
        if self.picture is not None:
            check_destination(self.picture, "picture", (*PAPER, *PAGES))
            turned = self.picture.suffix.lower() in PAGES
            library("plotly" if turned else "matplotlib", "--picture", "plot")

    def run(self) -> None:
        self._check()
        begin = time.perf_counter()
        graph = self.source.graph()
        read = time.perf_counter()
        hierarchy = coarsen(
            graph,
            sizes=self.sizes or None,
            levels=self.levels,
            min_nodes=self.min_nodes,
            method=METHODS[self.method](),
            backend=self.backend,
            progress=True,
        )
        done = time.perf_counter()
        print(hierarchy)
        print(f"fingerprint {hierarchy.fingerprint}")
        print(f"read in {read - begin:.2f} s, coarsened in {done - read:.2f} s")
        if self.out is not None:
            hierarchy.save(self.out)
            print(f"wrote {self.out}")
        if self.table is not None:
            text = hierarchy.to_frame().to_csv()
            with whole_file(self.table) as file:
                file.write(text.encode())
            print(f"wrote {self.table}")
        if self.picture is not None:
            draw(hierarchy, self.source.file, self.picture)
            print(f"wrote {self.picture}")
