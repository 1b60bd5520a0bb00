"""A picture of a hierarchy, with the surface of the mesh that it came from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from multiscale_gcn.checks.writing import whole_file
from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.files import from_file
from multiscale_gcn.convert.options import Options
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.plotting import plot_hierarchy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(hierarchy: Hierarchy, source: Path, picture: Path) -> None:
    """Write it in the format of its suffix.

    Raises
    ------
    ValueError
        For a graph too large to be laid out, and for a format that matplotlib does not write.
    """
    positions = faces = None
    found = from_file(source, Options.of(None, None, None, None, False, None))
    if isinstance(found, Mesh) and found.positions is not None:
        positions = np.asarray(found.positions, dtype=np.float64)
        faces = found.triangles
    write_figure(plot_hierarchy(hierarchy, positions, faces), picture)


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the suffix, all or nothing.

    Raises
    ------
    ValueError
        For a format that matplotlib does not write.
    """
    content = io.BytesIO()
    form = path.suffix.lstrip(".").lower() or "png"
    figure.savefig(content, format=form, bbox_inches="tight")
    with whole_file(path) as file:
        file.write(content.getvalue())
