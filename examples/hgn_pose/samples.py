"""Motion seen by cameras: network inputs and targets, with augmentation, a batch at a time.

The cameras are virtual (:class:`Samples`), and every frame is seen by each of them, or they are
real (:class:`Recordings`), and every sample brings the 2D joints that one of them saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from examples.hgn_pose.cameras import Cameras
from examples.hgn_pose.labels import Column, Labels
from examples.hgn_pose.skeleton import FLIP

if TYPE_CHECKING:
    from examples.hgn_pose.motion import Motion
    from examples.hgn_pose.recording import Recording

WORST_FIT = 25.0
"""Millimetres; frames whose fitted body is worse do not supervise the meshes, as in Pose2Mesh."""

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
    fitted : Tensor, shape (T,), bool
        Whether the frame's meshes are good enough to learn from and to measure.
    """

    positions: Tensor
    clip: np.ndarray
    actions: tuple[str, ...]
    subjects: tuple[str, ...]
    meshes: tuple[Tensor, ...]
    mesh_flips: tuple[Tensor, ...]
    fitted: Tensor

    def __len__(self) -> int:
        return len(self.positions)

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


@dataclass(frozen=True, eq=False)
class Recordings(Samples):
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


@dataclass(frozen=True)
class Augmentation:
    """How much the training poses vary; every variation is drawn anew for every sample."""

    heading: bool = True
    """Turn the scene about the vertical axis by any angle; not with real cameras."""
    size: float = 0.08
    """Scale the scene by up to this fraction, up or down; not with real cameras."""
    flip: bool = True
    """Mirror half of the samples, left to right."""

    def draw(self, count: int, generator: torch.Generator) -> Variation:
        """One variation for each of ``count`` samples; always draws the same amount."""
        heading, size, flip = torch.rand(3, count, generator=generator)
        return Variation(
            heading=heading * (2 * torch.pi * self.heading),
            size=1 + self.size * (2 * size - 1),
            flip=(flip < 0.5) & self.flip,
        )


NO_AUGMENTATION = Augmentation(heading=False, size=0.0, flip=False)


@dataclass(frozen=True, eq=False)
class Variation:
    """What is done to each sample of a batch."""

    heading: Tensor  # [B] radians
    size: Tensor  # [B]
    flip: Tensor  # [B] bool

    def to(self, device: torch.device | str) -> Variation:
        return Variation(self.heading.to(device), self.size.to(device), self.flip.to(device))


@dataclass(frozen=True, eq=False)
class Batch:
    """What a network sees and what it should answer, in metres, camera frame, root-relative."""

    image: Tensor  # [B, 17, 2]
    pose: Tensor  # [B, 17, 3]
    meshes: tuple[Tensor, ...]  # each [B, N, 3]
    fitted: Tensor  # [B] bool


def gather(
    motion: Motion,
    meshes: Sequence[np.ndarray] = (),
    mesh_flips: Sequence[np.ndarray] = (),
) -> Samples:
    """Centre every clip horizontally and turn all arrays into tensors.

    Parameters
    ----------
    motion : Motion
        Joint positions in metres, z up.
    meshes : sequence of array, each of shape (T, N, 3)
        The coarse meshes in the motion's world, as ``mesh_targets`` returns them.
    mesh_flips : sequence of array of int, each of shape (N,)
        For every coarse mesh the node on the other side, as ``level.constraints.symmetry`` of a
        symmetric hierarchy gives it.

    Returns
    -------
    Samples
        On the CPU.

    Raises
    ------
    ValueError
        When there is no frame, when shapes differ in their number of frames, or when a mesh
        lacks its flip.
    """
    centre = clip_centres(motion.positions, motion.clip)[:, None]  # [T, 1, 3]
    return Samples(**_fields(motion, centre, meshes, mesh_flips))


def gather_recording(
    recording: Recording,
    meshes: Sequence[np.ndarray] = (),
    mesh_flips: Sequence[np.ndarray] = (),
) -> Recordings:
    """Turn all arrays into tensors.

    Parameters
    ----------
    recording : Recording
    meshes, mesh_flips
        As for :func:`gather`, of the recording's motion.

    Returns
    -------
    Recordings
        On the CPU.

    Raises
    ------
    ValueError
        As :func:`gather`.
    """
    return Recordings(
        **_fields(recording.motion, np.zeros(1, np.float32), meshes, mesh_flips),
        frame=torch.from_numpy(recording.frame),
        camera=torch.from_numpy(recording.camera),
        image=torch.from_numpy(recording.image),
        camera_names=recording.camera_names,
    )


def _fields(
    motion: Motion,
    centre: np.ndarray,
    meshes: Sequence[np.ndarray],
    mesh_flips: Sequence[np.ndarray],
) -> dict[str, Any]:
    frames = len(motion.positions)
    if frames == 0:
        raise ValueError("motion has no frames; select at least one")
    if len(mesh_flips) != len(meshes):
        raise ValueError(f"mesh_flips is for {len(mesh_flips)} meshes, there are {len(meshes)}")
    for i, (mesh, flip) in enumerate(zip(meshes, mesh_flips, strict=True)):
        if len(mesh) != frames:
            raise ValueError(
                f"meshes[{i}] has {len(mesh)} frames and motion {frames}; "
                "make the targets from the same motion"
            )
        if len(flip) != mesh.shape[1]:
            raise ValueError(
                f"mesh_flips[{i}] is for {len(flip)} nodes, meshes[{i}] has {mesh.shape[1]}"
            )
    error = motion.fit_error
    fitted = np.ones(frames, bool) if error is None else error <= WORST_FIT
    return {
        "positions": torch.from_numpy(motion.positions - centre),
        "clip": motion.clip,
        "actions": tuple(clip.action for clip in motion.clips),
        "subjects": tuple(str(clip.performer) for clip in motion.clips),
        "meshes": tuple(torch.from_numpy(mesh - centre) for mesh in meshes),
        "mesh_flips": tuple(torch.tensor(flip, dtype=torch.int64) for flip in mesh_flips),
        "fitted": torch.from_numpy(fitted),
    }


def clip_centres(
    positions: np.ndarray,  # [T, 17, 3]
    clip: np.ndarray,  # [T]
) -> np.ndarray:  # [T, 3]
    """Middle of the ground that the pelvis covers during each frame's clip; its height is 0."""
    centre = np.zeros((len(positions), 3), dtype=np.float32)
    for number in np.unique(clip):
        ground = positions[clip == number, 0, :2]
        centre[clip == number, :2] = (ground.min(axis=0) + ground.max(axis=0)) / 2
    return centre


def every_nth(clip: np.ndarray, n: int) -> np.ndarray:
    """Mask of the frames number 0, n, 2n, ... of each clip, for clips with contiguous frames.

    Examples
    --------
    >>> import numpy as np
    >>> from examples.hgn_pose.samples import every_nth
    >>> every_nth(np.array([0, 0, 0, 1, 1, 1]), 2)
    array([ True, False,  True,  True, False,  True])
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    starts = np.flatnonzero(np.diff(clip, prepend=clip[0] - 1))
    return (np.arange(len(clip)) - np.repeat(starts, np.diff(starts, append=len(clip)))) % n == 0


def check_in_view(samples: Samples, cameras: Cameras, augmentation: Augmentation) -> None:
    """Refuse scenes that reach a camera, however they are turned and scaled.

    Raises
    ------
    ValueError
        Naming the first frame with a joint that could come nearer than half a metre to a camera.
        Real cameras saw what they saw, so recordings are never refused.
    """
    if isinstance(samples, Recordings):
        return
    reach = torch.linalg.vector_norm(samples.positions[..., :2], dim=2).amax(dim=1)
    room = torch.linalg.vector_norm(cameras.position[:, :2], dim=1).min() - NEAREST
    outside = torch.nonzero(reach * (1 + augmentation.size) > room.to(reach.device))
    if len(outside):
        first = int(outside[0])
        raise ValueError(
            f"positions[{first}] reaches {float(reach[first]):.2f} m from the middle of its clip, "
            f"too near to the cameras; cut clips that leave a circle of {float(room):.1f} m"
        )


def mirrored(
    points: Tensor,  # [..., N, D]
    flip: Tensor,  # [N] int64
) -> Tensor:  # [..., N, D]
    """Points of the mirrored body: every point at its image's place, x negated.

    Serves joints with ``skeleton.FLIP`` and coarse meshes with the node symmetry of their level,
    in space and, about the middle of the image, in 2D.

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.samples import mirrored
    >>> mirrored(torch.tensor([[1.0, 5.0], [2.0, 6.0]]), torch.tensor([1, 0])).tolist()
    [[-2.0, 6.0], [-1.0, 5.0]]
    """
    swapped = points[..., flip, :]
    return torch.cat([-swapped[..., :1], swapped[..., 1:]], dim=-1)


def make_batch(
    samples: Samples,
    cameras: Cameras,
    frame: Tensor,  # [B] int64
    camera: Tensor,  # [B] int64
    variation: Variation | None = None,
) -> Batch:
    """Show frames to cameras, all samples of the batch at once.

    A sample is first mirrored, then scaled, then turned about the vertical axis, all about the
    middle of its clip on the ground, and then seen by its camera. A recorded sample can only be
    mirrored, about the middle of its image. Everything stays on the device of ``samples``, and
    nothing is sent there, so that CUDA can record it.

    Parameters
    ----------
    samples : Samples
        T frames, or S recorded samples.
    cameras : Cameras
        V cameras, on the same device.
    frame, camera : Tensor, shape (B,), int64
        Which row of ``samples`` each sample is, and which of its views.
    variation : Variation, optional
        The augmentation; none by default.

    Returns
    -------
    Batch
        The input is in the units of :meth:`Cameras.normalise`, the targets are in metres.
    """
    if isinstance(samples, Recordings):
        return _recorded_batch(samples, cameras, frame, variation)
    points = samples.positions[frame]
    meshes = [mesh[frame] for mesh in samples.meshes]
    if variation is not None:
        flip = variation.flip[:, None, None]
        points = torch.where(flip, mirrored(points, _joint_flip(points.device)), points)
        meshes = [
            torch.where(flip, mirrored(mesh, mesh_flip), mesh)
            for mesh, mesh_flip in zip(meshes, samples.mesh_flips, strict=True)
        ]
        change = _turn_and_scale(variation)
        points = points @ change
        meshes = [mesh @ change for mesh in meshes]
    seen = cameras.to_camera(points, camera)
    root = seen[:, :1]
    return Batch(
        image=cameras.normalise(cameras.project(seen)),
        pose=seen - root,
        meshes=tuple(cameras.to_camera(mesh, camera) - root for mesh in meshes),
        fitted=samples.fitted[frame],
    )


def _recorded_batch(
    samples: Recordings, cameras: Cameras, row: Tensor, variation: Variation | None
) -> Batch:
    frame, camera = samples.frame[row], samples.camera[row]
    image = samples.image[row]
    joints = cameras.to_camera(samples.positions[frame], camera)
    root = joints[:, :1]
    pose = joints - root
    meshes = [cameras.to_camera(mesh[frame], camera) - root for mesh in samples.meshes]
    if variation is not None:
        flip = variation.flip[:, None, None]
        joint_flip = _joint_flip(pose.device)
        image = torch.where(flip, mirrored(image, joint_flip), image)
        pose = torch.where(flip, mirrored(pose, joint_flip), pose)
        meshes = [
            torch.where(flip, mirrored(mesh, mesh_flip), mesh)
            for mesh, mesh_flip in zip(meshes, samples.mesh_flips, strict=True)
        ]
    return Batch(image=image, pose=pose, meshes=tuple(meshes), fitted=samples.fitted[frame])


def _turn_and_scale(variation: Variation) -> Tensor:  # [B, 3, 3], multiplied from the right
    cos, sin = variation.heading.cos(), variation.heading.sin()
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    turn = torch.stack([cos, sin, zero, -sin, cos, zero, zero, zero, one], dim=1)
    return turn.view(-1, 3, 3) * variation.size[:, None, None]


@cache
def _joint_flip(device: torch.device) -> Tensor:  # [17]
    return torch.tensor(FLIP, device=device)


def _moved(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if isinstance(value, tuple):
        return tuple(_moved(item, device) for item in value)
    return value
