"""How the skin looks."""

from __future__ import annotations

import numpy as np

SKIN = (0.85, 0.74, 0.64)
"""Red, green and blue, 0 to 1."""
LIGHT = np.array([-0.4, -0.7, 0.6]) / np.linalg.norm([-0.4, -0.7, 0.6])
"""Where the light comes from: left of the camera, and above."""
AMBIENT = 0.5


def shades(
    normals: np.ndarray,  # [F, 3] unit, z up
) -> np.ndarray:  # [F, 3]
    """Colours of faces in the light."""
    bright = AMBIENT + (1 - AMBIENT) * np.clip(normals @ LIGHT, 0, 1)
    return bright[:, None] * np.array(SKIN)


def vertex_normals(
    vertices: np.ndarray,  # [V, 3]
    faces: np.ndarray,  # [F, 3]
) -> np.ndarray:  # [V, 3]
    """Unit normals, of each vertex the mean over its faces by area."""
    corners = vertices[faces]
    areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    np.add.at(normals, faces.ravel(), np.repeat(areas, 3, axis=0))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
