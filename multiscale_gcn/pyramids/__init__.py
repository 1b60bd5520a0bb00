"""Triangle meshes from fine to coarse, by quadric edge collapse, with the maps between them."""

from __future__ import annotations

from multiscale_gcn.pyramids.making import mesh_pyramid as mesh_pyramid
from multiscale_gcn.pyramids.pyramid import MeshPyramid as MeshPyramid
