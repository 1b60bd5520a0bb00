"""What must not merge: labels, survivors, members of a batch, and symmetry."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from multiscale_gcn.checks.arguments import instance, whole_number
from multiscale_gcn.checks.arrays import integer_array, plain_array
from multiscale_gcn.checks.immutable import ReadOnlyArrays
from multiscale_gcn.graph.graph import Graph

MOST_NODES = 2**40
"""That an array can be made for."""
WAY_OUT = "; find_mirror(mesh).symmetrized(graph) gives images of each other the same weight"


@dataclass(frozen=True, eq=False)
class Constraints(ReadOnlyArrays):
    """Which nodes may merge, for one level; ``coarsened`` gives those of the next.

    :func:`~multiscale_gcn.coarsen` makes them of its arguments of the same names.

    Parameters
    ----------
    labels : array of int, shape (n,), optional
        Nodes with different labels never merge.
    survivors : array of bool, shape (n,), optional
        No two of these nodes merge with each other; others may join them.
    symmetry : array of int, shape (n,), optional
        An involution of the nodes that maps the graph onto itself, such as left-right of a body.
        The matching is then mapped onto itself too.
    batch : array of int, shape (n,), optional
        Which graph of a batch each node belongs to, never decreasing. Members are matched as
        each would be alone.

    Raises
    ------
    ValueError
        For other types, arrays of different lengths, a batch that decreases, and a symmetry that
        is no involution. What only a graph can tell, :meth:`of` and :meth:`check` ask.

    See Also
    --------
    coarsen : all levels at once
    find_mirror : the mirror of a mesh

    Examples
    --------
    >>> import networkx as nx
    >>> from multiscale_gcn import Constraints, as_graph, match
    >>> path = as_graph(nx.path_graph(4))
    >>> match(path, constraints=Constraints.of(path, labels=[0, 1, 1, 0])).mate.tolist()
    [0, 2, 1, 3]
    """

    __slots__ = ("_per_node",)  # beside the attributes: it is none of them

    labels: np.ndarray | None = None
    survivors: np.ndarray | None = None
    symmetry: np.ndarray | None = None
    batch: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = _common_length(vars(self))
        object.__setattr__(self, "labels", _node_array(self.labels, n, "labels", "iub"))
        object.__setattr__(self, "survivors", _survivors(self.survivors, n))
        object.__setattr__(self, "symmetry", _node_array(self.symmetry, n, "symmetry", "iu"))
        object.__setattr__(self, "batch", _node_array(self.batch, n, "batch", "iu"))
        if self.batch is not None:
            _check_order(self.batch)
        if self.symmetry is not None:
            _check_involution(self.symmetry)
        super().__post_init__()

    @classmethod
    def of(
        cls,
        graph: Graph,
        *,
        labels: Any = None,
        survivors: Any = None,
        symmetry: Any = None,
        batch: Any = None,
    ) -> Constraints:
        """Check the arrays against the graph.

        Parameters
        ----------
        graph : Graph
        labels, survivors, symmetry, batch : array, shape (n,), optional
            As :class:`Constraints` has them.

        Returns
        -------
        Constraints

        Raises
        ------
        ValueError
            For wrong shapes and types, a batch that decreases or has edges between its members,
            and a symmetry that is no involution or no automorphism, with the first offending
            node or edge.

        Examples
        --------
        >>> from multiscale_gcn import Constraints, Graph, match
        >>> path = Graph([0, 1, 3, 4], [1, 0, 2, 1])
        >>> apart = Constraints.of(path, labels=[0, 1, 1])
        >>> match(path, constraints=apart).pairs().tolist()
        [[1, 2]]
        """
        n = instance(graph, "graph", Graph, "as_graph makes one").num_nodes
        for name, values in (("labels", labels), ("symmetry", symmetry), ("batch", batch)):
            if values is not None:
                _check_shape(plain_array(values, name), n, name)
        checked = cls(labels, _survivors(survivors, n), symmetry, batch)
        checked.check(graph)
        return checked

    def check(self, graph: Graph) -> None:
        """Refuse what does not fit the graph.

        Parameters
        ----------
        graph : Graph

        Raises
        ------
        ValueError
            As :meth:`of`.

        Examples
        --------
        >>> import networkx as nx
        >>> from multiscale_gcn import Constraints, as_graph
        >>> Constraints(symmetry=[2, 1, 0]).check(as_graph(nx.path_graph(3)))
        """
        instance(graph, "graph", Graph, "as_graph makes one")
        self.check_length(graph.num_nodes)
        if self.batch is not None:
            _check_batch(graph, self.batch)
        if self.symmetry is not None:
            _check_symmetry(graph, self, self.symmetry)

    def __bool__(self) -> bool:
        return not (
            self.labels is None
            and self.survivors is None
            and self.symmetry is None
            and self.batch is None
        )

    def arrays(self) -> dict[str, np.ndarray | None]:
        """The constraints by their names; None for each that there is not.

        Returns
        -------
        dict of str to array or None

        Examples
        --------
        >>> from multiscale_gcn import Constraints
        >>> Constraints().arrays()
        {'labels': None, 'survivors': None, 'symmetry': None, 'batch': None}
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def check_length(self, n: int) -> None:
        """Refuse arrays of another graph than one of ``n`` nodes.

        Parameters
        ----------
        n : int
            Number of nodes.

        Raises
        ------
        ValueError
            Naming the first constraint of another length.

        Examples
        --------
        >>> from multiscale_gcn import Constraints
        >>> Constraints().check_length(5)
        """
        n = whole_number(n, "n", least=0, most=MOST_NODES)
        if not self:
            return
        for name, array in self.arrays().items():
            if array is not None and np.shape(array) != (n,):
                raise ValueError(
                    f"constraints.{name} has shape {np.shape(array)}, expected ({n},); "
                    "Constraints.of(graph, ...) makes them of this graph"
                )

    def member(self, n: int) -> np.ndarray:
        """Number of the member of the batch that each node belongs to, from 0.

        Parameters
        ----------
        n : int
            Number of nodes.

        Returns
        -------
        array of int64, shape (n,)

        Examples
        --------
        >>> import numpy as np
        >>> from multiscale_gcn import Constraints
        >>> two = Constraints(batch=np.array([4, 4, 4, 7, 7]))
        >>> two.member(5).tolist()
        [0, 0, 0, 1, 1]
        """
        n = whole_number(n, "n", least=0, most=MOST_NODES)
        if self.batch is None:
            return np.zeros(n, dtype=np.int64)
        return np.cumsum(np.diff(self.batch, prepend=self.batch[:1]) > 0)

    def member_sizes(self, n: int) -> np.ndarray:
        """Number of nodes of each member of the batch.

        Parameters
        ----------
        n : int
            Number of nodes.

        Returns
        -------
        array of int64, shape (number of members,)

        Examples
        --------
        >>> import numpy as np
        >>> from multiscale_gcn import Constraints
        >>> two = Constraints(batch=np.array([4, 4, 4, 7, 7]))
        >>> two.member_sizes(5).tolist()
        [3, 2]
        """
        n = whole_number(n, "n", least=0, most=MOST_NODES)
        return np.array([n]) if self.batch is None else np.bincount(self.member(n))

    def groups(self, n: int) -> np.ndarray:
        """Number of the class of nodes that may merge, by label and member.

        Parameters
        ----------
        n : int
            Number of nodes.

        Returns
        -------
        array of int64, shape (n,)

        Examples
        --------
        >>> import numpy as np
        >>> from multiscale_gcn import Constraints
        >>> labels, batch = np.array([0, 1, 0, 0]), np.array([0, 0, 0, 1])
        >>> Constraints(labels=labels, batch=batch).groups(4).tolist()
        [0, 2, 0, 1]
        """
        n = whole_number(n, "n", least=0, most=MOST_NODES)
        keys = [array for array in (self.labels, self.batch) if array is not None]
        if not keys:
            return np.zeros(n, dtype=np.int64)
        if len(keys) == 1:
            return keys[0]
        return np.unique(np.stack(keys), axis=1, return_inverse=True)[1].reshape(n)

    def local_ids(self, n: int) -> np.ndarray:
        """Number of each node within its member of the batch.

        Parameters
        ----------
        n : int
            Number of nodes.

        Returns
        -------
        array of int64, shape (n,)

        Examples
        --------
        >>> import numpy as np
        >>> from multiscale_gcn import Constraints
        >>> two = Constraints(batch=np.array([4, 4, 4, 7, 7]))
        >>> two.local_ids(5).tolist()
        [0, 1, 2, 0, 1]
        """
        n = whole_number(n, "n", least=0, most=MOST_NODES)
        ids = np.arange(n, dtype=np.int64)
        if self.batch is None:
            return ids
        return ids - np.searchsorted(self.batch, self.batch)

    def mirror(self, n: int) -> np.ndarray:
        """The symmetry; without one the identity, under which nothing is constrained.

        Parameters
        ----------
        n : int
            Number of nodes.

        Returns
        -------
        array of int64, shape (n,)

        Examples
        --------
        >>> from multiscale_gcn import Constraints
        >>> Constraints().mirror(3).tolist()
        [0, 1, 2]
        """
        n = whole_number(n, "n", least=0, most=MOST_NODES)
        return np.arange(n, dtype=np.int64) if self.symmetry is None else self.symmetry

    def per_node(self, n: int) -> NodeConstraints:
        """What they say of each of ``n`` nodes: the same object as long as anybody holds it.

        Parameters
        ----------
        n : int
            Number of nodes.

        Returns
        -------
        NodeConstraints
            With an array for each of :meth:`groups`, :meth:`mirror`, :meth:`local_ids` and
            :meth:`member`, made when it is first asked for.

        Examples
        --------
        >>> from multiscale_gcn import Constraints
        >>> Constraints().per_node(2).local_ids.tolist()
        [0, 1]
        """
        n = whole_number(n, "n", least=0, most=MOST_NODES)
        known = getattr(self, "_per_node", lambda: None)()
        if known is None or known.num_nodes != n:
            known = NodeConstraints(self, n)
            object.__setattr__(self, "_per_node", weakref.ref(known))
        return known

    def coarsened(self, parent: np.ndarray) -> Constraints:
        """The constraints of the next level.

        Parameters
        ----------
        parent : array of int, shape (n,)
            Coarse node of every node.

        Returns
        -------
        Constraints

        Examples
        --------
        >>> import numpy as np
        >>> from multiscale_gcn import Constraints
        >>> fine = Constraints(labels=np.array([5, 5, 8]))
        >>> fine.coarsened(np.array([0, 0, 1])).labels.tolist()
        [5, 8]
        """
        if not self:
            return self
        num_coarse = int(parent.max()) + 1 if len(parent) else 0

        def inherited(array: np.ndarray | None) -> np.ndarray | None:
            if array is None:
                return None
            result = np.zeros(num_coarse, dtype=array.dtype)
            result[parent] = array
            return result

        survivors = None
        if self.survivors is not None:
            survivors = np.zeros(num_coarse, dtype=np.bool_)
            survivors[parent[self.survivors]] = True
        symmetry = None
        if self.symmetry is not None:
            symmetry = np.zeros(num_coarse, dtype=np.int64)
            symmetry[parent] = parent[self.symmetry]
        return Constraints._of_valid(
            labels=inherited(self.labels),
            survivors=survivors,
            symmetry=symmetry,
            batch=inherited(self.batch),
        )


class NodeConstraints:
    """What constraints say of each of so many nodes: every array is made once, when asked for."""

    def __init__(self, constraints: Constraints, num_nodes: int) -> None:
        self.constraints = constraints
        self.num_nodes = num_nodes

    def __bool__(self) -> bool:
        return bool(self.constraints)

    @cached_property
    def group(self) -> np.ndarray:
        """See :meth:`Constraints.groups`."""
        return self.constraints.groups(self.num_nodes)

    @cached_property
    def survives(self) -> np.ndarray:
        """Whether the node is a survivor, shape (n,), bool."""
        survivors = self.constraints.survivors
        return np.zeros(self.num_nodes, np.bool_) if survivors is None else survivors

    @cached_property
    def mirror(self) -> np.ndarray:
        """See :meth:`Constraints.mirror`."""
        return self.constraints.mirror(self.num_nodes)

    @cached_property
    def local_ids(self) -> np.ndarray:
        """See :meth:`Constraints.local_ids`."""
        return self.constraints.local_ids(self.num_nodes)

    @cached_property
    def member(self) -> np.ndarray:
        """See :meth:`Constraints.member`."""
        return self.constraints.member(self.num_nodes)

    @cached_property
    def member_sizes(self) -> np.ndarray:
        """See :meth:`Constraints.member_sizes`."""
        return self.constraints.member_sizes(self.num_nodes)


def _common_length(arrays: dict[str, Any]) -> int | None:
    """Number of nodes that the constraints speak of; None without any."""
    given = {n: np.shape(plain_array(a, n)) for n, a in arrays.items() if a is not None}
    for name, shape in given.items():
        if len(shape) != 1:
            raise ValueError(f"{name} has shape {shape}, expected (n,): one entry for each node")
        first, of_first = next(iter(given.items()))
        if shape != of_first:
            raise ValueError(
                f"{name} has shape {shape}, and {first} has {of_first}; both are of the same nodes"
            )
    return next(iter(given.values()))[0] if given else None


def _check_shape(array: np.ndarray, n: int | None, name: str) -> None:
    if array.shape != (n,):
        raise ValueError(f"{name} has shape {array.shape}, expected ({n},)")


def _node_array(values: Any, n: int | None, name: str, kinds: str) -> np.ndarray | None:
    if values is None:
        return None
    array = integer_array(values, name, kinds)
    _check_shape(array, n, name)
    return array


def _survivors(values: Any, n: int | None) -> np.ndarray | None:
    if values is None:
        return None
    array = plain_array(values, "survivors")
    if array.shape == (0,) == (n,):
        return np.zeros(0, np.bool_)
    if array.dtype != np.bool_ or array.shape != (n,):
        raise ValueError(
            f"survivors must be a boolean mask of shape ({n},), got {array.dtype} of "
            f"{array.shape}; numpy.isin(numpy.arange(n), ids) makes one of ids"
        )
    return array.copy()


def _check_order(batch: np.ndarray) -> None:
    falls = np.flatnonzero(np.diff(batch) < 0)
    if len(falls):
        raise ValueError(
            f"batch falls from node {falls[0]} to node {falls[0] + 1}; "
            "the nodes of a member must stand together"
        )


def _check_involution(mirror: np.ndarray) -> None:
    n = len(mirror)
    outside = np.flatnonzero((mirror < 0) | (mirror >= n))
    if len(outside):
        at = outside[0]
        raise ValueError(f"symmetry[{at}] = {mirror[at]} is not a node: ids run to {n - 1}")
    wrong = np.flatnonzero(mirror[mirror] != np.arange(n))
    if len(wrong):
        u = wrong[0]
        raise ValueError(
            f"symmetry is no involution: it maps {u} to {mirror[u]} and that to "
            f"{mirror[mirror[u]]}; each node must come back"
        )


def _check_batch(graph: Graph, batch: np.ndarray) -> None:
    rows = graph.rows()
    across = np.flatnonzero(batch[rows] != batch[graph.indices])
    if len(across):
        u, v = rows[across[0]], graph.indices[across[0]]
        raise ValueError(
            f"the edge ({u}, {v}) joins members {batch[u]} and {batch[v]} of the batch; "
            "use labels for parts of one graph"
        )


def _check_symmetry(graph: Graph, constraints: Constraints, mirror: np.ndarray) -> None:
    matrix = graph.to_scipy()
    difference = (matrix[mirror][:, mirror] - matrix).tocoo()
    at = np.flatnonzero(difference.data != 0)
    if len(at):
        rows, columns = difference.row[at], difference.col[at]
        first = np.lexsort((columns, rows))[0]
        u, v = rows[first], columns[first]
        raise ValueError(
            f"symmetry is no automorphism: the weight of ({u}, {v}) is {matrix[u, v]}, that of "
            f"its image ({mirror[u]}, {mirror[v]}) is {matrix[mirror[u], mirror[v]]}{WAY_OUT}"
        )
    for name, differs in (
        ("node weights", graph.node_weights[mirror] != graph.node_weights),
        ("labels", _class_is_torn(constraints.labels, mirror)),
        ("survivors", _differs(constraints.survivors, mirror)),
        ("batch", _differs(constraints.batch, mirror)),
    ):
        if differs.any():
            u = int(np.argmax(differs))
            raise ValueError(
                f"the symmetry does not keep the {name}: look at nodes {u} and {mirror[u]}, "
                f"which are images of each other{WAY_OUT if name == 'node weights' else ''}"
            )


def _differs(values: np.ndarray | None, mirror: np.ndarray) -> np.ndarray:
    return np.zeros(1, np.bool_) if values is None else values[mirror] != values


def _class_is_torn(labels: np.ndarray | None, mirror: np.ndarray) -> np.ndarray:
    """Nodes whose image has another label than the images of their class: left and right parts
    may have different labels, as long as each class is the image of one."""
    if labels is None or len(labels) == 0:
        return np.zeros(1, np.bool_)
    classes = np.unique(labels, return_inverse=True)[1]
    image = np.empty(classes.max() + 1, dtype=np.int64)
    image[classes] = classes[mirror]
    torn: np.ndarray = image[classes] != classes[mirror]
    return torn
