"""A graph of PyTorch Geometric with its coarser levels."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from multiscale_gcn.checks.arguments import whole_number

_LEVEL = re.compile(
    r"(edge_index|edge_weight|node_weight|parent|batch|sampled|interpolation_index"
    r"|interpolation_weight)_(\d+)"
)
_SIZES = "level_sizes"


class MultiScaleData(Data):  # type: ignore[misc]
    """A ``Data`` with coarser versions of its graph, which PyTorch Geometric batches rightly.

    :class:`Coarsen` makes one. Level 0 is the graph itself. For every coarser level k there are

    - ``edge_index_k``, shape (2, nnz_k), every edge in both directions, and ``edge_weight_k``,
      shape (nnz_k,), as of a coarse :class:`~multiscale_gcn.Graph`, self loops included;
    - ``node_weight_k``, shape (n_k,): what its members weigh;
    - ``batch_k``, shape (n_k,): which graph of a mini-batch each node belongs to;

    and for every level k but the coarsest

    - ``parent_k``, shape (n_k,): the node of level k + 1 that each node belongs to;
    - where the method chooses nodes, ``sampled_k``, shape (n_{k+1},): the node of level k that each
      node of level k + 1 is;
    - where the method interpolates, ``interpolation_index_k``, shape (2, nnz), pairs of a node of
      level k and one of level k + 1, and ``interpolation_weight_k``, shape (nnz,).

    ``level_sizes``, shape (1, levels + 1), has the numbers of nodes; in a mini-batch, one row for
    each graph.

    The levels belong to the graph that they were made of. :meth:`subgraph` and
    :meth:`edge_subgraph` refuse, and levels whose graph has lost nodes in another way are refused
    where they are used: in a mini-batch, by :meth:`num_nodes_of`, and by the layers.

    Inherit from it if your own ``Data`` has ``__inc__`` or ``__cat_dim__``.

    See Also
    --------
    Coarsen : a transform that adds levels

    Examples
    --------
    >>> import torch
    >>> from torch_geometric.data import Batch, Data
    >>> from multiscale_gcn.pyg import Coarsen
    >>> edge = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
    >>> coarse = Coarsen(levels=1)(edge)
    >>> Batch.from_data_list([coarse, coarse]).parent_0
    tensor([0, 0, 1, 1])
    """

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if found := _LEVEL.fullmatch(key):
            name, level = found[1], int(found[2])
            if name in ("edge_index", "sampled"):
                return self.num_nodes_of(level)
            if name == "parent":
                return self.num_nodes_of(level + 1)
            if name == "interpolation_index":
                return torch.tensor([[self.num_nodes_of(level)], [self.num_nodes_of(level + 1)]])
            return 1 if name == "batch" else 0
        return super().__inc__(key, value, *args, **kwargs)

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if found := _LEVEL.fullmatch(key):
            return 1 if found[1] in ("edge_index", "interpolation_index") else 0
        return super().__cat_dim__(key, value, *args, **kwargs)

    @property
    def num_levels(self) -> int:
        """Number of coarser levels."""
        return self[_SIZES].shape[1] - 1 if _SIZES in self else 0

    def num_nodes_of(self, level: int) -> int:
        """Number of nodes of a level; 0 is the graph itself.

        Parameters
        ----------
        level : int

        Returns
        -------
        int

        Raises
        ------
        ValueError
            If there is no such level, or the levels are of a graph with another number of nodes.

        Examples
        --------
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from multiscale_gcn.pyg import Coarsen
        >>> edge = Data(edge_index=torch.tensor([[0, 1], [1, 0]]), num_nodes=2)
        >>> Coarsen(levels=1)(edge).num_nodes_of(1)
        1
        """
        level = whole_number(level, "level", least=0)
        if level > self.num_levels:
            raise ValueError(
                f"level = {level} is none of this Data, which has {self.num_levels} coarser ones; "
                f"Coarsen(levels={level}) makes so many"
            )
        self._check_fresh()
        return len(self[f"node_weight_{level}"]) if level else int(self.num_nodes)

    def without_levels(self) -> MultiScaleData:
        """A copy without levels, which may become another graph.

        Returns
        -------
        MultiScaleData
            Tensors are shared.

        Examples
        --------
        >>> import torch
        >>> from torch_geometric.data import Data
        >>> from multiscale_gcn.pyg import Coarsen
        >>> path = Data(edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), num_nodes=3)
        >>> coarse = Coarsen(levels=1)
        >>> half = coarse(path).without_levels().subgraph(torch.tensor([0, 1]))
        >>> coarse(half).parent_0
        tensor([0, 0])
        """
        kept = {name: value for name, value in self.to_dict().items() if not is_level(self, name)}
        result: MultiScaleData = type(self).from_dict(kept)
        return result

    def subgraph(self, subset: Tensor) -> MultiScaleData:
        """Refused while there are levels, which are those of the whole graph.

        Parameters
        ----------
        subset : Tensor
            As in ``Data.subgraph``.

        Returns
        -------
        MultiScaleData

        Raises
        ------
        ValueError
            If there are levels; :meth:`without_levels` leaves them out.

        Examples
        --------
        >>> import torch
        >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> MultiScaleData(edge_index=path, num_nodes=3).subgraph(torch.tensor([0, 1])).num_nodes
        2
        """
        self._refuse_parts("subgraph")
        return super().subgraph(subset)  # type: ignore[no-any-return]

    def edge_subgraph(self, subset: Tensor) -> MultiScaleData:
        """Refused while there are levels, which are those of the whole graph.

        Parameters
        ----------
        subset : Tensor
            As in ``Data.edge_subgraph``.

        Returns
        -------
        MultiScaleData

        Raises
        ------
        ValueError
            If there are levels; :meth:`without_levels` leaves them out.

        Examples
        --------
        >>> import torch
        >>> path = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
        >>> half = torch.tensor([True, True, False, False])
        >>> MultiScaleData(edge_index=path, num_nodes=3).edge_subgraph(half).num_edges
        2
        """
        self._refuse_parts("edge_subgraph")
        return super().edge_subgraph(subset)  # type: ignore[no-any-return]

    def _refuse_parts(self, operation: str) -> None:
        if self.num_levels:
            raise ValueError(
                f"{operation} would leave the {self.num_levels} levels of this Data as they are, "
                f"those of the whole graph; call data.without_levels().{operation}(...) and "
                "Coarsen the result, or put Coarsen behind the transform that does it"
            )

    def _check_fresh(self) -> None:
        if _SIZES not in self:
            return
        made_of, *coarser = self[_SIZES].sum(0).tolist()
        if made_of != self.num_nodes:
            raise ValueError(
                f"the levels were made of a graph of {made_of} nodes, and this Data has "
                f"{self.num_nodes} now; put Coarsen behind the transform that changed it"
            )
        expected = {f"parent_{k}": n for k, n in enumerate([made_of, *coarser[:-1]])}
        expected |= {f"node_weight_{k}": n for k, n in enumerate(coarser, start=1)}
        for name, size in expected.items():
            if name not in self or len(self[name]) != size:
                raise ValueError(
                    f"{name} was made for {size} nodes and is not as it was; put Coarsen behind "
                    "the transform that changed it"
                )


def is_level(data: Data, name: str) -> bool:
    """Whether an attribute is one of those that Coarsen makes."""
    of_level = _LEVEL.fullmatch(name) is not None or name == _SIZES
    return isinstance(data, MultiScaleData) and of_level


def multi_scale(data: Any, levels: int, what: str) -> MultiScaleData:
    """Refuse what has not so many coarser levels, or stale ones.

    Raises
    ------
    TypeError, ValueError
        Naming what is missing, and the transform that makes it.
    """
    if not isinstance(data, MultiScaleData):
        raise TypeError(
            f"data is a {type(data).__name__}; give {what} a MultiScaleData, which "
            f"Coarsen(levels={levels}) makes, or a batch of them"
        )
    data.num_nodes_of(levels)
    return data
