"""The whole problem in one place: body, coarse graphs, cameras, training and test frames."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
import tyro

from examples.hgn_pose.bodies import BodyOptions, with_bodies
from examples.hgn_pose.body import Body, load_body
from examples.hgn_pose.body_model import BodyModel
from examples.hgn_pose.cameras import Cameras, ring_of_cameras
from examples.hgn_pose.datasets.catalogue import CATALOGUE, Request
from examples.hgn_pose.motion import Motion, held_out_frames, mesh_targets
from examples.hgn_pose.networks import MESH_SIZES
from examples.hgn_pose.recording import Recording
from examples.hgn_pose.samples import Samples, every_nth, gather, gather_recording
from multiscale_gcn import CoarseningStalled, HeavyEdgeMatching, Hierarchy, coarsen

CMU17_VARIABLE = "MULTISCALE_GCN_CMU17"

HEAVIEST = (1.5, 2.0, 3.0)
"""Vertices of a coarse node, relative to the mean on the coarsest level: no more than the first of
these that can be kept."""


@dataclass(frozen=True)
class DataOptions:
    """Which motion, and how much of it."""

    data: Literal["auto", "builtin", "cmu17", "h36m-npz", "h36m-json", "mpi-inf-3dhp", "arrays"] = (
        "auto"
    )
    """auto: what the weights were trained on if it is there, otherwise builtin; builtin: 15 clips
    that come with the example; the others are files of yours, see --data-path: cmu17; Human3.6M as
    VideoPose3D's npz or as Pose2Mesh's and HGN's json; MPI-INF-3DHP; arrays of your own."""
    data_path: Path | None = None
    """The file or folder of the data set; for cmu17 by default what the environment variable
    MULTISCALE_GCN_CMU17 names."""
    keypoints: str = "gt"
    """2D joints of h36m-npz: those of data_2d_h36m_{keypoints}.npz, such as cpn_ft_h36m_dbb."""
    true_size: bool = False
    """mpi-inf-3dhp as published: take people as tall as they are, not scaled to one height."""
    train_every: int | None = None
    """Take every so many-th frame of the training clips; by default 2 (cmu17), 5 (h36m-json) or
    1."""
    test_every: int | None = None
    """Take every so many-th frame of the test clips; by default 8 (cmu17), 50 (h36m-json) or 1."""
    body: Annotated[BodyOptions, tyro.conf.arg(name="")] = field(default_factory=BodyOptions)
    fit_cache: Path = Path("runs/fits")
    """Folder for the bodies that are fitted to the motion, which takes minutes once, and for the
    coarse meshes of SMPL."""

    def __post_init__(self) -> None:
        for name in ("train_every", "test_every"):
            stride = getattr(self, name)
            if stride is not None and stride < 1:
                raise ValueError(f"{name} must be at least 1, got {stride}")

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

    def input_facts(self) -> dict[str, object]:
        """The options that make other inputs or targets of the same files, where they matter.

        Examples
        --------
        >>> from examples.hgn_pose.task import DataOptions
        >>> DataOptions().input_facts()
        {}
        >>> DataOptions("h36m-npz", keypoints="cpn_ft_h36m_dbb").input_facts()
        {'keypoints': 'cpn_ft_h36m_dbb'}
        """
        name = self.settled().data
        if name == "h36m-npz":
            return {"keypoints": self.keypoints}
        return {"true_size": self.true_size} if name == "mpi-inf-3dhp" else {}

    def strides(self) -> tuple[int, int]:
        """The two strides with their defaults filled in."""
        train, test = CATALOGUE[self.settled().data].strides
        return self.train_every or train, self.test_every or test

    def load_body(self) -> BodyModel:
        """The body, with its 17 joints where the data set has them."""
        return self.body.load(CATALOGUE[self.settled().data].joints)

    def read(self, *, test_only: bool = False) -> Motion | Recording:
        """Read the data set.

        Parameters
        ----------
        test_only : bool
            Frames for training may be left out, if that is faster.

        Raises
        ------
        ValueError
            When a path is needed and none is known, or when the data are not usable.
        """
        name = self.settled().data
        data_set = CATALOGUE[name]
        path = self.data_path
        if path is None and name == "cmu17" and os.environ.get(CMU17_VARIABLE):
            path = Path(os.environ[CMU17_VARIABLE])
        if path is None and data_set.expected:
            variable = f", or set the environment variable {CMU17_VARIABLE}"
            raise ValueError(
                f"data_path is missing: {name} does not come with the example; give "
                f"--data-path: {data_set.expected}{variable if name == 'cmu17' else ''}"
            )
        train_every, test_every = self.strides()
        return data_set.read(
            Request(
                path or Path(), self.keypoints, self.true_size, train_every, test_every, test_only
            )
        )


@dataclass(frozen=True, eq=False)
class Task:
    """All that training and evaluation share, with the samples on one device."""

    body: BodyModel
    hierarchy: Hierarchy
    cameras: Cameras
    train: Samples
    test: Samples
    split: dict[str, object]
    """Names and numbers of the clips that were read for training and test, for reports."""


def coarse_body() -> tuple[Body, Hierarchy]:
    """The built-in body, and its mesh coarsened to exactly 96 and 48 nodes.

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
    return body, coarsen_body(body)


def coarsen_body(body: BodyModel) -> Hierarchy:
    """A body's mesh coarsened to exactly 96 and 48 nodes.

    The hierarchy has the body's left-right symmetry on every level, if the body has a mirror. No
    node stands for more than 1.5 times the mean share of 48: vertices on the middle line merge only
    with each other or across it, and without that limit the last pairs would be heavy ones. Where
    no pair is left below the limit, which the built-in body does not meet, the next of ``HEAVIEST``
    holds.
    """
    graph = body.graph()
    for heaviest in HEAVIEST:
        limit = heaviest * graph.num_nodes / min(MESH_SIZES)
        method = HeavyEdgeMatching(max_node_weight=limit)
        try:
            return coarsen(graph, sizes=MESH_SIZES, symmetry=body.mirror, method=method)
        except CoarseningStalled:
            continue
    return coarsen(graph, sizes=MESH_SIZES, symmetry=body.mirror)


def load_task(
    options: DataOptions,
    device: torch.device,
    *,
    meshes: bool,
    mesh_sizes: Sequence[int] = MESH_SIZES,
    test_only: bool = False,
    body: BodyModel | None = None,
) -> Task:
    """Coarsen the body, read and split the motion, and make the mesh targets.

    Parameters
    ----------
    options : DataOptions
    device : torch.device
        Where the samples go.
    meshes : bool
        Whether coarse mesh targets are wanted, which need a body in every frame.
    mesh_sizes : sequence of int
        Nodes of those meshes.
    test_only : bool
        Fit and prepare the test frames alone; ``train`` is then a copy of ``test``.
    body : BodyModel, optional
        That of the options, where it is loaded already.

    Returns
    -------
    Task
    """
    body = body or options.load_body()
    hierarchy = coarsen_body(body)
    source = options.read(test_only=test_only)
    motion = source.motion if isinstance(source, Recording) else source
    held_out = held_out_frames(motion)
    if held_out.all() and not test_only:
        raise ValueError(
            f"{options.data} as found has test frames only; evaluate weights that were trained on "
            "other data, or add clips that are not held out"
        )
    if not held_out.any():
        raise ValueError(f"{options.data} as found has no test frames; add clips that are held out")
    sizes = tuple(mesh_sizes) if meshes else ()
    parts: list[Samples] = []
    facts: dict[str, object] = {"data": options.data, "body": body.name}
    for name, chosen, stride in zip(
        ("train", "test"), (~held_out, held_out), options.strides(), strict=True
    ):
        if name == "train" and test_only:
            continue
        used = _thinned(source.select(chosen), stride)
        part = used.motion if isinstance(used, Recording) else used
        clips = np.unique(part.clip)
        facts[f"{name}_clips"] = [part.clips[k].name for k in clips]
        facts[f"{name}_actions"] = sorted({part.clips[k].action for k in clips})
        facts[f"{name}_frames"] = len(part)
        parts.append(_prepare(used, body, hierarchy, options.fit_cache, sizes))
    if isinstance(source, Recording):
        cameras = source.cameras
        facts["cameras"] = len(set(source.camera_names))
        facts["input"] = f"2D joints of real cameras ({options.keypoints})"
    else:
        cameras = ring_of_cameras()
        facts["cameras"] = len(cameras)
        facts["input"] = "exact 2D joints"
    return Task(
        body=body,
        hierarchy=hierarchy,
        cameras=cameras.to(device),
        train=parts[0].to(device),
        test=parts[-1].to(device),
        split=facts,
    )


def _thinned(source: Motion | Recording, stride: int) -> Motion | Recording:
    if isinstance(source, Recording):
        return source.select(source.number % stride == 0)
    return source.select(every_nth(source.clip, stride)) if len(source) else source


def _prepare(
    source: Motion | Recording,
    body: BodyModel,
    hierarchy: Hierarchy,
    cache: Path,
    sizes: Sequence[int],
) -> Samples:
    motion = source.motion if isinstance(source, Recording) else source
    if not sizes:
        return _gathered(source, replace(motion, poses=None, fit_error=None))
    motion = with_bodies(body, motion, cache)
    levels = [hierarchy.level(size) for size in sizes]
    restrictions = [hierarchy.restriction(0, level.index, "mean") for level in levels]
    flips = [level.constraints.mirror(level.num_nodes) for level in levels]
    kept = cache if body.pose_directions is not None else None  # otherwise it takes seconds
    return _gathered(source, motion, mesh_targets(body, motion, restrictions, kept), flips)


def _gathered(
    source: Motion | Recording,
    motion: Motion,
    meshes: Sequence[np.ndarray] = (),
    mesh_flips: Sequence[np.ndarray] = (),
) -> Samples:
    if isinstance(source, Recording):
        return gather_recording(replace(source, motion=motion), meshes, mesh_flips)
    return gather(motion, meshes, mesh_flips)
