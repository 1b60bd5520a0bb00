"""A picture of a hierarchy, with the surface of the mesh that it came from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from multiscale_gcn.checks.libraries import library
from multiscale_gcn.checks.writing import whole_file
from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.files import from_file
from multiscale_gcn.convert.options import Options
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.plotting import plot_hierarchy, plot_hierarchy_3d

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGES = (".html", ".htm")
"""Suffixes of pages whose picture can be turned."""
PAGE = Path(__file__).with_name("turning.html")


def draw(hierarchy: Hierarchy, source: Path, picture: Path) -> None:
    """Write it in the format of its suffix; of a page, what can be turned.

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
    if picture.suffix.lower() in PAGES:
        figure = plot_hierarchy_3d(hierarchy, positions, faces)
        write(_page(figure, source.name).encode(), picture)
    else:
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
    write(content.getvalue(), path)


def write(content: bytes, path: Path) -> None:
    """Write a file, all or nothing."""
    with whole_file(path) as file:
        file.write(content)


def _page(figure: Any, title: str) -> str:
    """A page of its own, plotly.js inside, that is as wide as a phone on a phone."""
    library("jinja2", "a picture that can be turned", "plot")
    from jinja2 import Environment
    from markupsafe import Markup

    drawn = figure.to_html(
        full_html=False, include_plotlyjs=True, default_height="100%",
        config={"displaylogo": False, "responsive": True},
    )  # fmt: skip
    page = Environment(autoescape=True).from_string(PAGE.read_text(encoding="utf-8"))
    return page.render(title=title, figure=Markup(drawn))
