"""Motion seen by cameras: network inputs and targets, with augmentation, a batch at a time.

The cameras are virtual (:class:`Samples`), and every frame is seen by each of them, or they are
real (:class:`RecordedSamples`), and every sample brings the 2D joints that one of them saw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from examples.hgn_pose.motion.cameras import Cameras
from examples.hgn_pose.samples.augmentation import Augmentation, Variation
from examples.hgn_pose.samples.batches import Batch, joint_flip
from examples.hgn_pose.samples.labels import Column, Labels
from examples.hgn_pose.samples.other_bodies import carried, furthest

NEAREST = 0.5
"""Metres that a joint must keep from every camera."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Frames ready for sampling, as tensors on one device, every clip centred horizontally.

    Parameters
    ----------
    positions : Tensor, shape (T, 17, 3), float32
        World joint positions, metres, z up.
    clip : array of int, shape (T,)
        Clip of every frame.
    actions, subjects : tuple of str
        What is done in every clip, and by whom.
    meshes : tuple of Tensor, each of shape (T, N, 3)
        Coarse meshes in the same world; none: poses only.
    mesh_flips : tuple of Tensor, each of shape (N,), int64
        For every mesh the node on the other side of the body.
    mesh_bones : tuple of Tensor, each of shape (N, 16), float32
        For every mesh how much each bone moves each node.
    fitted : Tensor, shape (T,), bool
        Whether the frame's meshes are good enough to learn from and to measure.
    """

    positions: Tensor
    clip: np.ndarray
    actions: tuple[str, ...]
    subjects: tuple[str, ...]
    meshes: tuple[Tensor, ...]
    mesh_flips: tuple[Tensor, ...]
    mesh_bones: tuple[Tensor, ...]
    fitted: Tensor

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def frames(self) -> int:
        """One: a network is given the frame alone."""
        return 1

    @property
    def single(self) -> Samples:
        """Themselves."""
        return self

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.positions.device

    def of_frames(self, frames: int, spacing: int = 1) -> Samples:
        """Themselves, for networks that are given one frame.

        Raises
        ------
        ValueError
            For more frames, of which nothing is known here.
        """
        if frames != 1:
            raise ValueError(
                f"the samples are of single frames, and the network is given {frames}; prepare the "
                "data with so many"
            )
        return self

    def inputs(
        self,
        cameras: Cameras,
        image: Tensor,  # [S, 17, 2]
        spoil: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:  # [S, 17, 2]
        """``image``: there are no frames around those that are asked for."""
        return image

    def views(self, cameras: Cameras) -> int:
        """How many samples each of the ``len(self)`` rows is: one for every virtual camera."""
        return len(cameras)

    def labels(self, cameras: Cameras) -> Labels:
        """Labels of all samples: over the rows, and over the views within a row."""
        views = len(cameras)
        clip = np.repeat(self.clip, views)
        camera = np.tile(np.arange(views), len(self))
        return Labels(
            action=Column.of(self.actions, clip),
            subject=Column.of(self.subjects, clip),
            camera=Column.of([f"virtual {number}" for number in range(views)], camera),
        )

    def to(self, device: torch.device | str) -> Self:
        """The same samples on another device."""
        return replace(
            self,
            **{field.name: _moved(getattr(self, field.name), device) for field in fields(self)},
        )

    def check_in_view(self, cameras: Cameras, augmentation: Augmentation) -> None:
        """Refuse scenes that reach a camera, however they are turned, scaled and rebuilt.

        Raises
        ------
        ValueError
            Naming the first frame with a joint that could come nearer than half a metre to a
            camera.
        """
        reach = furthest(self.positions, augmentation.bones, augmentation.points_anywhere)
        room = torch.linalg.vector_norm(cameras.position[:, :2], dim=1).min() - NEAREST
        outside = torch.nonzero(reach * (1 + augmentation.size) > room.to(reach.device))
        if len(outside):
            first = int(outside[0])
            raise ValueError(
                f"positions[{first}] reaches {float(reach[first]):.2f} m from the middle of its "
                "clip, too near to the cameras; cut clips that leave a circle of "
                f"{float(room):.1f} m"
            )

    def batch(
        self,
        cameras: Cameras,
        row: Tensor,  # [B] int64
        view: Tensor,  # [B] int64
        variation: Variation | None = None,
    ) -> Batch:
        """Show rows to cameras, all samples of the batch at once.

        A sample is first mirrored, then its body is rebuilt, then it is scaled and turned about
        the vertical axis, all about the middle of its clip on the ground, and then seen by its
        camera. Everything stays on the device of the samples, and nothing is sent there, so that
        CUDA can record it.

        Parameters
        ----------
        cameras : Cameras
            V cameras, on the same device.
        row, view : Tensor, shape (B,), int64
            Which row each sample is, and which of its views.
        variation : Variation, optional
            The augmentation; none by default.

        Returns
        -------
        Batch
            The input is in the units of :meth:`Cameras.normalise`, the targets are in metres.
        """
        points = self.positions[row]
        meshes = [mesh[row] for mesh in self.meshes]
        fitted = self.fitted[row]
        if variation is not None:
            recorded = variation.mirror(points, joint_flip(points.device))
            meshes = self._mirrored_meshes(meshes, variation)
            points = variation.rebuild(recorded)
            if variation.bones is not None or variation.swing is not None:
                meshes = [
                    carried(mesh, share, recorded, points)
                    for mesh, share in zip(meshes, self.mesh_bones, strict=True)
                ]
            if variation.limb is not None:
                fitted = fitted & (variation.limb == 0)
            change = variation.turn_and_scale()
            points = points @ change
            meshes = [mesh @ change for mesh in meshes]
            cameras, view = variation.seen_by(cameras, view, points[:, 0])
        seen = cameras.to_camera(points, view)
        root = seen[:, :1]
        image = cameras.normalise(cameras.project(seen))
        return Batch(
            image=image if variation is None else variation.detected(image),
            pose=seen - root,
            meshes=tuple(cameras.to_camera(mesh, view) - root for mesh in meshes),
            fitted=fitted,
        )

    def joints_of(
        self,
        cameras: Cameras,
        row: Tensor,  # [B] int64
        view: Tensor,  # [B] int64
        variation: Variation | None = None,
    ) -> tuple[Tensor, Tensor]:  # [B, 17, 2], [B, 17, 3]
        """The image of :meth:`batch`, and the joints in the frame of the camera.

        The variation may be that of windows. Joints nearer than half a metre to a camera that
        somebody holds, or behind it, are in the image where they would be half a metre away.
        """
        points = self.positions[row]
        if variation is not None:
            points = variation.rebuild(variation.mirror(points, joint_flip(points.device)))
            points = points @ variation.turn_and_scale()
            cameras, view = variation.seen_by(cameras, view, points[:, 0])
        seen = cameras.to_camera(points, view)
        before = seen
        if variation is not None and variation.camera is not None:
            before = torch.cat([seen[..., :2], seen[..., 2:].clamp(min=NEAREST)], dim=2)
        image = cameras.normalise(cameras.project(before))
        return image if variation is None else variation.detected(image), seen

    def _mirrored_meshes(self, meshes: list[Tensor], variation: Variation) -> list[Tensor]:
        return [
            variation.mirror(mesh, flip) for mesh, flip in zip(meshes, self.mesh_flips, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class RecordedSamples(Samples):
    """Frames that real cameras saw: S samples, each of one frame and one camera.

    The fields of :class:`Samples` describe the T frames in the world of the cameras; its rows are
    the samples, and the only view of a row is that of its camera.

    Parameters
    ----------
    frame, camera : Tensor, shape (S,), int64
        Which frame a sample shows, and which camera saw it.
    image : Tensor, shape (S, 17, 2), float32
        2D joints in the units of :meth:`Cameras.normalise`, detected or true.
    camera_names : tuple of str
    """

    frame: Tensor
    camera: Tensor
    image: Tensor
    camera_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frame)

    def views(self, cameras: Cameras) -> int:
        """One: a sample was seen by its camera alone."""
        return 1

    def labels(self, cameras: Cameras) -> Labels:
        """Labels of all samples."""
        clip = self.clip[self.frame.cpu().numpy()]
        return Labels(
            action=Column.of(self.actions, clip),
            subject=Column.of(self.subjects, clip),
            camera=Column.of(self.camera_names, self.camera.cpu().numpy()),
        )

    def check_in_view(self, cameras: Cameras, augmentation: Augmentation) -> None:
        """Refuse what the cameras did not see; what they saw is in their view."""
        if augmentation.unseen:
            raise ValueError(
                "bones, crossover, swing and wild cameras make what real cameras did not see; "
                "leave them out, or train on motion alone"
            )

    def batch(
        self,
        cameras: Cameras,
        row: Tensor,  # [B] int64
        view: Tensor,  # [B] int64
        variation: Variation | None = None,
    ) -> Batch:
        """What the cameras saw; a sample can only be mirrored, about the middle of its image, and
        detected anew."""
        frame, camera = self.frame[row], self.camera[row]
        image = self.image[row]
        joints = cameras.to_camera(self.positions[frame], camera)
        root = joints[:, :1]
        pose = joints - root
        meshes = [cameras.to_camera(mesh[frame], camera) - root for mesh in self.meshes]
        if variation is not None:
            flip = joint_flip(pose.device)
            image, pose = variation.mirror(image, flip), variation.mirror(pose, flip)
            meshes = self._mirrored_meshes(meshes, variation)
            image = variation.detected(image)
        return Batch(image=image, pose=pose, meshes=tuple(meshes), fitted=self.fitted[frame])

    def joints_of(
        self,
        cameras: Cameras,
        row: Tensor,  # [B] int64
        view: Tensor,  # [B] int64
        variation: Variation | None = None,
    ) -> tuple[Tensor, Tensor]:  # [B, 17, 2], [B, 17, 3]
        """The image of :meth:`batch`, and the joints in the frame of the camera."""
        image = self.image[row]
        seen = cameras.to_camera(self.positions[self.frame[row]], self.camera[row])
        if variation is not None:
            flip = joint_flip(image.device)
            image, seen = variation.mirror(image, flip), variation.mirror(seen, flip)
            image = variation.detected(image)
        return image, seen


def _moved(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        return tuple(_moved(item, device) for item in value)
    return value
