"""What a backend is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeVar

import numpy as np

from multiscale_gcn.backends import require
from multiscale_gcn.coarsening.descent import Stage
from multiscale_gcn.graph import Graph
from multiscale_gcn.graph.constraints import Constraints, NodeConstraints
from multiscale_gcn.matching import Matching, MatchingOptions
from multiscale_gcn.matching.numbering import number_pairs
from multiscale_gcn.methods.method import ClusteringMethod

Function = TypeVar("Function", bound=Callable[..., object])


class Engine(ABC):
    """What runs one matching and one contraction, and when it can.

    Derive from it in a file of the folder ``engines``; the file's name is that of the backend.
    Both results must be those of the backend "python", bit for bit:
    :class:`multiscale_gcn.testing.BackendTests` asks for it.
    """

    needs: ClassVar[Mapping[str, str]] = {}
    """Libraries, by the names that they are imported by, and how each is installed."""

    def check(self) -> None:
        """Refuse to run where something is missing.

        Raises
        ------
        BackendUnavailable
            With the remedy.
        """
        for library, remedy in self.needs.items():
            require(library, remedy)

    def refusal(self, method: MatchingOptions | ClusteringMethod) -> str | None:
        """Why this method cannot run, and what can: the end of a sentence. None: it can."""
        return None

    @abstractmethod
    def match(self, graph: Graph, method: MatchingOptions, of_nodes: NodeConstraints) -> Matching:
        """The matching of a graph, without regard to a number of pairs.

        Parameters
        ----------
        graph : Graph
            Of exact weights.
        method : MatchingOptions
            With a rating that is evaluated for this graph.
        of_nodes : NodeConstraints
        """

    @abstractmethod
    def aggregate(self, graph: Graph, parent: np.ndarray, num_coarse: int) -> Graph:
        """P^T A P.

        Parameters
        ----------
        graph : Graph
            Of exact weights.
        parent : array of int, shape (n,)
            Every number below ``num_coarse`` occurs.
        num_coarse : int
        """

    def contract(self, graph: Graph, matching: Matching) -> tuple[Graph, np.ndarray]:
        """The coarse graph of pairs, and the parent map: in one step, where that is faster.

        Parameters
        ----------
        graph : Graph
            Of exact weights.
        matching : Matching
            Of this graph.
        """
        parent = self.compiled(number_pairs)(matching.mate)
        return self.aggregate(graph, parent, graph.num_nodes - matching.num_pairs), parent

    def compiled(self, function: Function) -> Function:
        """A function of arrays and numbers in the form that runs fastest here."""
        return function

    def stage(
        self, graph: Graph, method: ClusteringMethod, constraints: Constraints, counted: bool
    ) -> Stage | None:
        """A way from level to level that keeps its arrays elsewhere; None: there is none.

        Parameters
        ----------
        graph, method, constraints
            The finest level, and how it is coarsened.
        counted : bool
            Whether the nodes of every level must be counted before it is taken.
        """
        return None
