"""A hierarchy in parts, so that a network may learn on one after the other."""

from __future__ import annotations

from multiscale_gcn.hierarchy.parts.field import ReceptiveField as ReceptiveField
from multiscale_gcn.hierarchy.parts.part import Part as Part
from multiscale_gcn.hierarchy.parts.parts import Parts as Parts
