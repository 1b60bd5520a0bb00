"""From motion to samples: arrays centred and turned into tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
import torch

from examples.hgn_pose.motion.footage import Footage
from examples.hgn_pose.motion.motion import WORST_FIT, Motion
from examples.hgn_pose.motion.recording import Recording
from examples.hgn_pose.samples.other_bodies import shares_of_bones
from examples.hgn_pose.samples.samples import RecordedSamples, Samples


@overload
def gather(
    footage: Recording,
    meshes: Sequence[np.ndarray] = (),
    mesh_flips: Sequence[np.ndarray] = (),
) -> RecordedSamples: ...


@overload
def gather(
    footage: Footage,
    meshes: Sequence[np.ndarray] = (),
    mesh_flips: Sequence[np.ndarray] = (),
) -> Samples: ...


def gather(
    footage: Footage,
    meshes: Sequence[np.ndarray] = (),
    mesh_flips: Sequence[np.ndarray] = (),
) -> Samples:
    """Turn all arrays into tensors, and centre every clip before virtual cameras.

    Parameters
    ----------
    footage : Footage
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
    motion, sights = footage.motion, footage.sights
    if sights is None:
        centre = clip_centres(motion.positions, motion.clip)[:, None]  # [T, 1, 3]
        return Samples(**_fields(motion, centre, meshes, mesh_flips))
    return RecordedSamples(
        **_fields(motion, np.zeros(1, np.float32), meshes, mesh_flips),
        frame=torch.from_numpy(sights.frame),
        camera=torch.from_numpy(sights.camera),
        image=torch.from_numpy(sights.image),
        camera_names=footage.camera_names,
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
        "mesh_bones": tuple(shares_of_bones(mesh, motion.positions) for mesh in meshes),
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
