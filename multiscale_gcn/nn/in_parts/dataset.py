"""Parts with what is known of their nodes, for a DataLoader."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.utils.data import Dataset

from multiscale_gcn.checks.arguments import shown
from multiscale_gcn.checks.arrays import plain_array
from multiscale_gcn.hierarchy import Hierarchy
from multiscale_gcn.hierarchy.parts import Part, Parts


class PartDataset(Dataset[tuple[Any, ...]]):
    """The parts of a hierarchy, each with its rows of arrays.

    For a ``DataLoader`` with ``batch_size=None``, whose workers then take the parts out of the
    hierarchy; with ``DistributedSampler`` each process gets parts of its own.

    Parameters
    ----------
    parts : Parts
    *arrays : array or Tensor, shape (n, ...)
        With a row for each node of the finest level. Of arrays that are mapped, rows of the part
        alone are read.

    Raises
    ------
    TypeError
        If ``parts`` are none.
    ValueError
        If an array does not have a row for each node.

    Examples
    --------
    >>> import networkx as nx
    >>> import numpy as np
    >>> from torch.utils.data import DataLoader
    >>> from multiscale_gcn import coarsen
    >>> parts = coarsen(nx.path_graph(12), levels=1).parts(3, halo=1)
    >>> for part, x in DataLoader(PartDataset(parts, np.arange(12)), batch_size=None):
    ...     print(part, x)
    Part(0: 4 nodes, 2 around them) tensor([0, 1, 2, 3, 4, 5])
    Part(1: 4 nodes, 4 around them) tensor([2, 3, 4, 5, 6, 7, 8, 9])
    Part(2: 4 nodes, 2 around them) tensor([ 6,  7,  8,  9, 10, 11])
    """

    def __init__(self, parts: Parts[Hierarchy], *arrays: ArrayLike | Tensor) -> None:
        if not isinstance(parts, Parts):
            raise TypeError(f"parts = {shown(parts)} must be what Hierarchy.parts returns")
        self.parts = parts
        self.arrays: tuple[np.ndarray, ...] = tuple(
            _numbers(array, f"arrays[{place}]") for place, array in enumerate(arrays)
        )
        for place, array in enumerate(self.arrays):
            if array.ndim == 0 or len(array) != parts.num_nodes:
                raise ValueError(
                    f"arrays[{place}] has shape {tuple(array.shape)}; give it a row for each of "
                    f"the {parts.num_nodes} nodes of the finest level"
                )

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        """Part, and a tensor of the rows ``part.nodes[0]`` of each array."""
        part: Part[Hierarchy] = self.parts[index]
        nodes = part.nodes[0]
        return (part, *(torch.from_numpy(array[nodes]) for array in self.arrays))


def _numbers(array: Any, name: str) -> np.ndarray:
    found = plain_array(array, name)
    if found.dtype.kind not in "buif":
        raise ValueError(f"{name} holds {found.dtype}; give numbers")
    return found
