"""Where the vertices of a mesh are, by its own account."""

from __future__ import annotations

from typing import Any

from multiscale_gcn.checks.arguments import shown
from multiscale_gcn.convert.assembly import Mesh
from multiscale_gcn.convert.options import Options
from multiscale_gcn.convert.sources import read


def positions_of(source: Any) -> Any:  # [n, d], of whatever type they are
    """The positions that come with anything that ``as_graph`` takes.

    Raises
    ------
    ValueError
        If none do.
    """
    found = read(source, Options.of(None, None, None, None, False, None))
    if not isinstance(found, Mesh) or found.positions is None:
        raise ValueError(
            f"the vertices of {shown(source)} have no positions; say positions, of shape (n, d)"
        )
    return found.positions
