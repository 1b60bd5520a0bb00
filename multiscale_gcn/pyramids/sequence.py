"""The collapses of a surface in their order, and the mesh after any number of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from multiscale_gcn.pyramids.quadrics import vertex_quadrics
from multiscale_gcn.pyramids.surface import Surface


@dataclass(frozen=True, eq=False)
class Collapses:
    """What merged into what.

    Attributes
    ----------
    surface : Surface
        The mesh before any of them.
    kept, gone : array of int64, shape (m,)
        The vertex that each collapse left, and the one that merged into it.
    places : array of float64, shape (m, d)
        Where it left it.
    """

    surface: Surface
    kept: np.ndarray
    gone: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, surface: Surface, num_merges: int, optimal: bool) -> Collapses:
        """The first so many, or fewer where no edge may collapse any more."""
        from multiscale_gcn.pyramids.collapse import collapse

        unit, centre, scale = in_unit_box(surface.vertices)
        space = np.zeros((len(unit), 3))
        space[:, : unit.shape[1]] = unit
        on_boundary = np.zeros(len(unit), dtype=np.bool_)
        on_boundary[surface.boundary[:, :2]] = True
        kept, gone, places = collapse(
            space,
            surface.triangles,
            surface.edges,
            on_boundary,
            vertex_quadrics(space, surface.triangles, surface.boundary),
            num_merges,
            optimal,
        )
        if optimal:
            back = (places[:, : unit.shape[1]] * scale[1] + centre) * scale[0]
        else:
            back = surface.vertices[kept]
        return cls(surface, kept, gone, back)

    def after(self, num_merges: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The vertices that are left [m], in which each is now [n], and where they stand [m, d]."""
        kept, gone = self.kept[:num_merges], self.gone[:num_merges]
        into = np.arange(len(self.surface.vertices))
        into[gone] = kept
        while not np.array_equal(further := into[into], into):
            into = further
        vertices = self.surface.vertices.copy()
        vertices[kept] = self.places[:num_merges]  # of several the last
        left, parent = np.unique(into, return_inverse=True)
        return left, parent.reshape(-1), vertices[left]


def in_unit_box(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
    """The vertices around 0, and extended by 1/2 to 1; ``(unit * b + centre) * a`` goes back.

    The factors are powers of two, so that nothing is rounded and nothing overflows.
    """
    a = _power_of_two(np.abs(vertices).max())
    scaled = vertices / a
    low, high = scaled.min(axis=0), scaled.max(axis=0)
    centre = (low + high) / 2
    b = _power_of_two((high - low).max())
    return (scaled - centre) / b, centre, (a, b)


def _power_of_two(number: float) -> float:
    """The smallest one that is larger; 1 for 0."""
    return float(np.ldexp(1.0, min(int(np.frexp(number)[1]), 1023))) if number > 0 else 1.0
