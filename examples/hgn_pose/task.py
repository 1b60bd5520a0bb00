"""The whole problem in one place: body, coarse graphs, cameras, training and test frames."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from examples.hgn_pose.body import Body, load_body
from examples.hgn_pose.cameras import Cameras, ring_of_cameras
from examples.hgn_pose.fitting import fit_motion
from examples.hgn_pose.motion import Motion, load_builtin, load_cmu17, mesh_targets, split
from examples.hgn_pose.networks import MESH_SIZES
from examples.hgn_pose.samples import Samples, every_nth, gather
from multiscale_gcn import HeavyEdgeMatching, Hierarchy, coarsen

CMU17_VARIABLE = "MULTISCALE_GCN_CMU17"

HEAVIEST = 1.5
"""Vertices of a coarse node, relative to the mean on the coarsest level: no more than this."""


@dataclass(frozen=True)
class DataOptions:
    """Which motion, and how much of it."""

    data: Literal["auto", "builtin", "cmu17"] = "auto"
    """auto: what the weights were trained on if it is there, otherwise builtin; builtin: 15 clips
    that come with the example; cmu17: a file of yours, see --data-path."""
    data_path: Path | None = None
    """The cmu17.npz to read; by default what the environment variable MULTISCALE_GCN_CMU17
    names."""
    train_every: int | None = None
    """Take every so many-th frame of the training clips; by default 1 (builtin) or 2 (cmu17)."""
    test_every: int | None = None
    """Take every so many-th frame of the test clips; by default 1 (builtin) or 8 (cmu17)."""
    fit_cache: Path = Path("runs/fits")
    """Folder for the bodies that are fitted to cmu17, which takes minutes once."""

    def settled(self, trained_on: str = "builtin") -> DataOptions:
        """The same with a name instead of auto.

        Examples
        --------
        >>> from examples.hgn_pose.task import DataOptions
        >>> DataOptions().settled().data
        'builtin'
        >>> DataOptions(data_path="my/cmu17.npz").settled(trained_on="cmu17").data
        'cmu17'
        """
        if self.data != "auto":
            return self
        there = self.data_path is not None or CMU17_VARIABLE in os.environ
        return replace(self, data="cmu17" if trained_on == "cmu17" and there else "builtin")

    def strides(self) -> tuple[int, int]:
        """The two strides with their defaults filled in."""
        train, test = (2, 8) if self.data == "cmu17" else (1, 1)
        return self.train_every or train, self.test_every or test

    def motion(self) -> Motion:
        """Read the motion.

        Raises
        ------
        ValueError
            When cmu17 is asked for and no path is known, or the file is not usable.
        """
        if self.data != "cmu17":
            return load_builtin()
        path = self.data_path or os.environ.get(CMU17_VARIABLE)
        if not path:
            raise ValueError(
                "data_path is missing: cmu17 does not come with the example; give --data-path "
                f"or set the environment variable {CMU17_VARIABLE} to the cmu17.npz file"
            )
        return load_cmu17(path)


@dataclass(frozen=True, eq=False)
class Task:
    """All that training and evaluation share, with the samples on one device."""

    body: Body
    hierarchy: Hierarchy
    cameras: Cameras
    train: Samples
    test: Samples
    split: dict[str, object]
    """Names and numbers of the training and test clips, for reports."""


def coarse_body() -> tuple[Body, Hierarchy]:
    """The built-in body, and its mesh coarsened to exactly 96 and 48 nodes.

    The hierarchy has the body's left-right symmetry on every level, and no node stands for more
    than 1.5 times the mean share of 48: vertices on the middle line merge only with each other or
    across it, and without that limit the last pairs would be heavy ones.

    Examples
    --------
    >>> from examples.hgn_pose.task import coarse_body
    >>> body, hierarchy = coarse_body()
    >>> hierarchy.level(96).num_nodes, hierarchy.level(48).num_nodes
    (96, 48)
    >>> hierarchy.level(48).constraints.symmetry.shape
    (48,)
    """
    body = load_body()
    graph = body.graph()
    balanced = HeavyEdgeMatching(max_node_weight=HEAVIEST * graph.num_nodes / min(MESH_SIZES))
    return body, coarsen(graph, sizes=MESH_SIZES, symmetry=body.mirror, method=balanced)


def load_task(
    options: DataOptions, device: torch.device, *, meshes: bool, test_only: bool = False
) -> Task:
    """Coarsen the body, read and split the motion, and make the mesh targets.

    Parameters
    ----------
    options : DataOptions
    device : torch.device
        Where the samples go.
    meshes : bool
        Whether coarse mesh targets are wanted; cmu17 then needs fitted bodies.
    test_only : bool
        Fit and prepare the test frames alone; ``train`` is then a copy of ``test``.

    Returns
    -------
    Task
    """
    body, hierarchy = coarse_body()
    strides = options.strides()
    parts: list[Samples] = []
    facts: dict[str, object] = {"data": options.data}
    cameras = ring_of_cameras()
    motions = split(options.motion())
    for name, motion, stride in zip(("train", "test"), motions, strides, strict=True):
        used = motion.select(every_nth(motion.clip, stride))
        clips = np.unique(used.clip)
        facts[f"{name}_clips"] = [used.clips[k].name for k in clips]
        facts[f"{name}_actions"] = sorted({used.clips[k].action for k in clips})
        facts[f"{name}_frames"] = len(used)
        if name == "train" and test_only:
            continue
        parts.append(_prepare(used, body, hierarchy, options.fit_cache, meshes))
    facts["cameras"] = len(cameras)
    return Task(
        body=body,
        hierarchy=hierarchy,
        cameras=cameras.to(device),
        train=parts[0].to(device),
        test=parts[-1].to(device),
        split=facts,
    )


def _prepare(
    motion: Motion, body: Body, hierarchy: Hierarchy, cache: Path, meshes: bool
) -> Samples:
    if not meshes:
        return gather(replace(motion, poses=None, fit_error=None))
    if motion.poses is None:
        motion = fit_motion(body, motion, cache=cache, progress=True)
    levels = [hierarchy.level(size) for size in MESH_SIZES]
    restrictions = [hierarchy.restriction(0, level.index, "mean") for level in levels]
    flips = [level.constraints.mirror(level.num_nodes) for level in levels]
    return gather(motion, mesh_targets(body, motion, restrictions), flips)
