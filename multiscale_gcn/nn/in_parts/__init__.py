"""Networks that learn on the parts of a hierarchy, one after the other."""

from __future__ import annotations

from multiscale_gcn.nn.in_parts.dataset import PartDataset as PartDataset
from multiscale_gcn.nn.in_parts.network import InParts as InParts
