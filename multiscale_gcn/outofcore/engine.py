"""Who takes the steps from level to level, and what it is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from multiscale_gcn.graph.constraints import Constraints
from multiscale_gcn.hierarchy.stored import LevelWriter, StoredLevel
from multiscale_gcn.methods.heavy_edge import MatchingMethod
from multiscale_gcn.outofcore.progress import Progress


@dataclass(frozen=True, eq=False)
class Task:
    """How one level is to be coarsened.

    Attributes
    ----------
    method : MatchingMethod
        ``HeavyEdgeMatching`` or ``VisitingOrderMatching``, with its options.
    max_pairs : int, optional
        Only so many pairs are kept, as :func:`~multiscale_gcn.match` keeps them.
    min_nodes : int, optional
        No step is taken to fewer nodes.
    memory : int
        Bytes that one process may take.
    progress : Progress
        To be told of what is done.
    """

    method: MatchingMethod
    max_pairs: int | None
    min_nodes: int | None
    memory: int
    progress: Progress


@runtime_checkable
class LevelEngine(Protocol):
    """What ``coarsen(path, ..., out=folder, engine=...)`` takes as its engine.

    An engine takes steps between folders: one finished level in, the arrays of the next one out.
    The levels, the constraints of each, ``meta.json`` and resuming at the last finished level are
    not its business. Whatever runs where, the arrays are those of :func:`~multiscale_gcn.coarsen`
    in memory, bit for bit; where the engine's workers are other machines, they see the same
    folder.
    """

    def refusal(self, method: MatchingMethod, constraints: Constraints) -> str | None:
        """Why it cannot honour these, and what can: the end of a sentence that begins with the
        engine's name, such as ``" does not run symmetry; leave it out"``. None: it can.
        """

    def step(self, fine: StoredLevel, coarse: LevelWriter, task: Task) -> bool:
        """Take one step.

        Parameters
        ----------
        fine : StoredLevel
            Its graph and constraints are mapped into memory; ``fine.folder`` is for workers, which
            open it by ``StoredLevel.open``. What another call may go on from when this process is
            dead belongs into ``fine.work``, which is removed when the next level is finished.
        coarse : LevelWriter
            For rows and node weights of the next level: rows in their order by ``append`` and
            ``close``, then ``write_node_weights``; or ``allocate``, for workers that fill
            disjoint ranges. Whatever an engine keeps for itself while it works belongs into
            ``coarse.work``, which is removed when the level is finished.
        task : Task

        Returns
        -------
        bool
            Whether it took the step. It has then also written the parent map, by
            ``write_parent(fine.folder, parent, coarse.id_type)``. False, if no two nodes merge,
            or fewer than ``task.min_nodes`` would be left; nothing needs to be written then.
        """
