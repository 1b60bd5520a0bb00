"""compare: methods side by side on one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from multiscale_gcn.checks.libraries import library
from multiscale_gcn.commands.destinations import PAPER, check_destination
from multiscale_gcn.commands.methods import METHODS, MethodName
from multiscale_gcn.commands.picture import write_figure
from multiscale_gcn.commands.source import Source
from multiscale_gcn.comparison import compare
from multiscale_gcn.methods.method import ClusteringMethod


@dataclass(frozen=True)
class Compare:
    """Coarsen a graph by several methods, and print what each keeps."""

    source: Annotated[Source, tyro.conf.OmitArgPrefixes]
    sizes: tuple[int, ...]
    """Numbers of nodes at which they are compared."""
    methods: tuple[MethodName, ...] = ("heavy_edge", "visiting_order", "defferrard")
    """Which."""
    picture: Path | None = None
    """The figures as bars (.png, .svg, .pdf)."""

    def run(self) -> None:
        if self.picture is not None:
            check_destination(self.picture, "picture", PAPER)
            library("matplotlib", "--picture", "plot")
        graph = self.source.graph()
        named: dict[str, ClusteringMethod] = {name: METHODS[name]() for name in self.methods}
        comparison = compare(graph, named, sizes=self.sizes)
        print(comparison)
        if self.picture is not None:
            write_figure(comparison.plot(), self.picture)
            print(f"wrote {self.picture}")
