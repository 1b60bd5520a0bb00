"""The 17-joint skeleton of Human3.6M."""

from __future__ import annotations

from typing import Literal

import numpy as np

from multiscale_gcn import Graph, as_graph

JOINTS = (
    "Pelvis",
    "R_Hip",
    "R_Knee",
    "R_Ankle",
    "L_Hip",
    "L_Knee",
    "L_Ankle",
    "Torso",
    "Neck",
    "Nose",
    "Head",
    "L_Shoulder",
    "L_Elbow",
    "L_Wrist",
    "R_Shoulder",
    "R_Elbow",
    "R_Wrist",
)

EDGES = (
    (0, 1),
    (1, 2),
    (2, 3),
    (0, 4),
    (4, 5),
    (5, 6),
    (0, 7),
    (7, 8),
    (8, 9),
    (9, 10),
    (8, 11),
    (11, 12),
    (12, 13),
    (8, 14),
    (14, 15),
    (15, 16),
)
"""Parent and child of every bone."""

PAIRS = ((4, 1), (5, 2), (6, 3), (11, 14), (12, 15), (13, 16))
"""Left and right joints."""

PARTS = (
    ("R_Knee", "R_Ankle"),
    ("L_Knee", "L_Ankle"),
    ("R_Hip", "L_Hip"),
    ("Pelvis", "Torso"),
    ("Neck", "Nose", "Head"),
    ("R_Elbow", "R_Wrist"),
    ("L_Elbow", "L_Wrist"),
    ("R_Shoulder", "L_Shoulder"),
)
"""Joints that the networks of SemGCN and its followers pool; these have no nose, and so pairs."""


def part_ids() -> tuple[tuple[int, ...], ...]:
    """The joints of every part by number.

    Examples
    --------
    >>> part_ids()[:2]
    ((2, 3), (5, 6))
    """
    return tuple(tuple(JOINTS.index(name) for name in part) for part in PARTS)


def _flip() -> np.ndarray:
    flip = np.arange(len(JOINTS))
    left, right = np.array(PAIRS).T
    flip[left], flip[right] = right, left
    flip.flags.writeable = False
    return flip


FLIP = _flip()
"""Permutation of the joints, shape (17,), that swaps left and right."""


def skeleton_graph() -> Graph:
    """The bones as a graph.

    Examples
    --------
    >>> skeleton_graph()
    Graph(17 nodes, 16 edges)
    """
    return as_graph(np.array(EDGES).T, kind="edge_index", symmetrize=True)


JointPlaces = Literal["skeleton17", "human36m17"]
"""Where ``Nose`` and ``Head`` are: the top of the neck and the middle of the skull, as in the
built-in motion and in cmu17, or the tip of the nose and the top of the head, as in Human3.6M."""
