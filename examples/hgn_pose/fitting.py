"""Fit the body to 17 joints: which person, and how every bone turns in every frame."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from tqdm import tqdm

from examples.hgn_pose.archives import read_npz, write_npz
from examples.hgn_pose.body import Body, Shape
from examples.hgn_pose.kinematics import (
    forward_kinematics,
    joint_points,
    joint_positions,
    rotation_matrices,
)
from examples.hgn_pose.poses import BodyPose

if TYPE_CHECKING:
    from examples.hgn_pose.motion import Motion

VERSION = 1
"""Raised when the fitter's result changes, so that old cached fits are not taken."""

FRAMES_AT_ONCE = 1024
SHAPE_FRAMES = 256
SHAPE_ITERATIONS = 300
POSE_ITERATIONS = 200

JOINT_NOISE = 0.005
"""Metres by which a joint may miss; the priors below are measured against it."""
SCALE_SPREAD = 0.1
BLEND_SPREAD = 1.0
TORSO_SPREAD, LIMB_SPREAD, HINGE_SPREAD, OFF_HINGE_SPREAD = 0.4, 1.5, 2.0, 0.1  # radians

TORSO_JOINTS = [0, 1, 4, 7, 8, 11, 14]

TURNING = {
    "root": None,
    **dict.fromkeys(
        ("spine04", "spine03", "spine02", "spine01", "clavicle"),
        TORSO_SPREAD,
    ),
    **dict.fromkeys(("neck01", "neck02", "neck03", "head"), TORSO_SPREAD),
    **dict.fromkeys(("upperleg01", "upperarm01"), LIMB_SPREAD),
}
"""Bones that turn freely, and by how much, radians; the side is left out of the name."""

HINGES = {
    "lowerleg01": ("upperleg01", "foot"),
    "lowerarm01": ("upperarm01", "wrist"),
}
"""Bones that turn about one axis, and the bones before and after that define it."""

SIZES = (
    ("pelvis",),
    ("spine05", "spine04", "spine03", "spine02"),
    ("spine01",),
    ("neck01", "neck02", "neck03"),
    ("clavicle", "shoulder01"),
    ("upperarm01", "upperarm02"),
    ("lowerarm01", "lowerarm02"),
    ("upperleg01", "upperleg02"),
    ("lowerleg01", "lowerleg02"),
)
"""Bones that share one size, on either side."""


def fit(
    body: Body,
    positions: np.ndarray,  # [T, 17, 3]
    person: np.ndarray,  # [T]
    *,
    progress: bool = False,
) -> tuple[BodyPose, np.ndarray]:
    """Fit a person's shape to a sample of their frames, then a pose to every frame.

    First, for each person, the blend of the body's shapes, the size of the bones and the poses
    of up to 256 of their frames are found together; then, with the shape fixed, the poses of all
    frames. Both by L-BFGS on rotation vectors, many frames at once, from the rigid motion that
    fits the torso best.

    Parameters
    ----------
    body : Body
    positions : array of float, shape (T, 17, 3)
        World joint positions, metres, z up.
    person : array of int, shape (T,)
        Who moves in each frame, 0 to P - 1.
    progress : bool
        Show a bar that counts frames.

    Returns
    -------
    poses : BodyPose
    error : array of float32, shape (T,)
        Mean distance of the 17 joints from the fitted body's, millimetres.

    Raises
    ------
    ValueError
        If shapes do not fit together, or a position is not finite.

    Notes
    -----
    Joints do not tell how a limb turns about its own axis, nor where hands, feet and face look.
    A prior settles it: knees and elbows bend about one axis, what is not seen stays as at rest.
    """
    _check_positions(positions, person)
    skeleton = _Skeleton.of(body)
    people = int(person.max()) + 1 if len(person) else 0
    rotations = np.zeros((len(positions), len(body.bones), 3), np.float32)
    translation = np.empty((len(positions), 3), np.float32)
    blend = np.full((people, len(body.shape_names)), 1 / len(body.shape_names))
    scale = np.ones((people, len(body.bones)))
    with (
        _one_thread(),
        tqdm(
            total=len(positions), desc="fitting bodies", unit="frame", disable=not progress
        ) as bar,
    ):
        for one in np.unique(person):
            frames = np.flatnonzero(person == one)
            spread = np.linspace(0, len(frames) - 1, min(SHAPE_FRAMES, len(frames)))
            blend[one], scale[one] = _fit_shape(
                body, skeleton, positions[frames[spread.astype(int)]]
            )
            shape = body.shape(blend[one], scale[one])
            for start in range(0, len(frames), FRAMES_AT_ONCE):
                chunk = frames[start : start + FRAMES_AT_ONCE]
                vectors, translation[chunk] = _fit_poses(body, skeleton, shape, positions[chunk])
                rotations[chunk[:, None], skeleton.bones] = vectors
                bar.update(len(chunk))
    poses = BodyPose(rotations, translation, np.asarray(person), blend, scale)
    return poses, joint_errors(body, poses, positions)


def joint_errors(
    body: Body,
    poses: BodyPose,
    positions: np.ndarray,  # [T, 17, 3]
) -> np.ndarray:  # [T]
    """Mean distance of a posed body's joints from the given ones, millimetres, float32.

    Examples
    --------
    >>> from examples.hgn_pose.body import load_body
    >>> from examples.hgn_pose.motion import load_builtin
    >>> motion = load_builtin()
    >>> error = joint_errors(load_body(), motion.poses, motion.positions)
    >>> bool(abs(error - motion.fit_error).max() < 0.01)
    True
    """
    distance = np.linalg.norm(joint_positions(body, poses) - positions, axis=-1)
    return (1000 * distance.mean(axis=1)).astype(np.float32)


def fit_motion(
    body: Body, motion: Motion, *, cache: Path | None = None, progress: bool = False
) -> Motion:
    """The same motion with body poses, from a cache where the same motion was fitted before.

    Parameters
    ----------
    body : Body
    motion : Motion
        Every performer gets a body of their own.
    cache : Path, optional
        Folder of earlier fits. A fit is found by a checksum of positions, performers, body and
        version of the fitter, and added when it is not there.
    progress : bool
        Show a bar while fitting.

    Returns
    -------
    Motion
        With ``poses`` and ``fit_error``.

    Raises
    ------
    ValueError
        If the cached file is damaged.
    """
    performer = np.array([clip.performer for clip in motion.clips])[motion.clip]
    _, person = np.unique(performer, return_inverse=True)
    path = None
    if cache is not None:
        path = Path(cache) / f"fit-{_checksum(body, motion.positions, person)}.npz"
        if path.exists():
            poses, error = _load_fit(path)
            return replace(motion, poses=poses, fit_error=error)
    poses, error = fit(body, motion.positions, person, progress=progress)
    if path is not None:
        write_npz(path, {"fit_error": error, **poses.arrays()})
    return replace(motion, poses=poses, fit_error=error)


def _checksum(body: Body, positions: np.ndarray, person: np.ndarray) -> str:
    digest = hashlib.sha256(f"{VERSION} {body.fingerprint} {positions.shape}".encode())
    digest.update(np.ascontiguousarray(positions, dtype="<f4").tobytes())
    digest.update(np.ascontiguousarray(person, dtype="<i8").tobytes())
    return digest.hexdigest()[:32]


def _load_fit(path: Path) -> tuple[BodyPose, np.ndarray]:
    names = [field.name for field in fields(BodyPose)]
    try:
        data = read_npz(path, ["fit_error", *names])
        return BodyPose(**{name: data[name] for name in names}), data["fit_error"]
    except ValueError as error:
        raise ValueError(f"the cached fit is damaged, delete it: {error}") from error


def _check_positions(positions: np.ndarray, person: np.ndarray) -> None:
    if positions.ndim != 3 or positions.shape[1:] != (17, 3):
        raise ValueError(f"positions has shape {positions.shape}, expected (T, 17, 3)")
    bad = np.argwhere(~np.isfinite(positions))
    if len(bad):
        frame, joint, axis = bad[0]
        raise ValueError(
            f"positions[{frame}, {joint}, {axis}] is {positions[frame, joint, axis]}; drop the "
            "frame or fill the joint"
        )
    if person.shape != positions.shape[:1]:
        raise ValueError(f"person has shape {person.shape}, expected ({len(positions)},)")
    if len(person) and person.min() < 0:
        raise ValueError(f"person[{person.argmin()}] = {person.min()}; people count from 0")


@dataclass(frozen=True, eq=False)
class _Skeleton:
    """The bones that turn, each carrying those below it that do not."""

    bones: np.ndarray  # [P] ids in the body
    parents: list[int]  # [P]
    carrier: np.ndarray  # [J] place in bones
    stiffness: Tensor  # [P, 3, 3]
    members: Tensor  # [J, G] which size a bone has

    @classmethod
    def of(cls, body: Body) -> _Skeleton:
        stems = [name.split(".")[0] for name in body.bones]
        bones = np.array([b for b, stem in enumerate(stems) if stem in TURNING or stem in HINGES])
        place = {int(bone): i for i, bone in enumerate(bones)}
        carrier = np.zeros(len(stems), dtype=np.int64)
        for bone, parent in enumerate(body.parents):
            carrier[bone] = place[bone] if bone in place else carrier[parent]
        parents = [-1] + [int(carrier[body.parents[bone]]) for bone in bones[1:]]

        stiffness = np.zeros((len(bones), 3, 3))
        for i, bone in enumerate(bones):
            if stems[bone] in HINGES:
                axis = _hinge_axis(body, int(bone))
                along = np.outer(axis, axis)
                stiffness[i] = along / HINGE_SPREAD**2 + (np.eye(3) - along) / OFF_HINGE_SPREAD**2
            elif (spread := TURNING[stems[bone]]) is not None:
                stiffness[i] = np.eye(3) / spread**2

        sizes = {stem: row for row, group in enumerate(SIZES) for stem in group}
        column: dict[tuple[int, str], int] = {}
        members = np.zeros((len(stems), 2 * len(SIZES)), np.float32)
        for bone, stem in enumerate(stems):
            if stem in sizes:
                key = (sizes[stem], body.bones[bone][len(stem) :])
                members[bone, column.setdefault(key, len(column))] = 1
        return cls(
            bones,
            parents,
            carrier,
            torch.tensor(JOINT_NOISE**2 * stiffness, dtype=torch.float32),
            torch.tensor(members[:, : len(column)]),
        )

    def joints(
        self,
        heads: Tensor,  # [J, 3]
        points: Tensor,  # [17, J, 4]
        vectors: Tensor,  # [P, 3, T]
        translation: Tensor,  # [3, T]
    ) -> Tensor:  # [17, 3, T]
        """Joints of the posed skeleton; ``points`` as from :func:`joint_points`."""
        rest = heads[self.bones]
        offsets = rest - rest[np.maximum(self.parents, 0)]
        turned, moved = forward_kinematics(
            self.parents, offsets, rotation_matrices(vectors), translation
        )
        local = points[..., :3] - points[..., 3:] * rest[self.carrier]
        local = torch.cat([local, points[..., 3:]], -1)
        carried = local.new_zeros(len(points), len(self.bones), 4)
        carried = carried.index_add(1, torch.as_tensor(self.carrier), local)
        columns = torch.cat([turned, moved[:, :, None]], 2).transpose(1, 2)
        return (carried.flatten(1) @ columns.reshape(carried[0].numel(), -1)).unflatten(
            1, (3, vectors.shape[-1])
        )

    def unlikeliness(
        self,
        vectors: Tensor,  # [P, 3, T]
    ) -> Tensor:
        """Prior over the rotations, in square metres, summed over all frames."""
        return (vectors * torch.einsum("pij,pjt->pit", self.stiffness, vectors)).sum()


def _hinge_axis(body: Body, bone: int) -> np.ndarray:
    """Unit axis about which a positive angle bends the knee or the elbow."""
    stem, _, side = body.bones[bone].partition(".")
    before, after = (body.bones.index(f"{name}.{side}") for name in HINGES[stem])
    heads = body.shape().heads
    upper, lower = heads[bone] - heads[before], heads[after] - heads[bone]
    axis = np.cross(upper, lower)
    if stem == "lowerleg01":  # too straight at rest: across the body, square to the leg
        leg = upper + lower
        axis = np.array([1.0, 0.0, 0.0]) - leg * leg[0] / (leg @ leg)
    return axis / np.linalg.norm(axis)


def _fit_shape(
    body: Body,
    skeleton: _Skeleton,
    positions: np.ndarray,  # [T, 17, 3]
) -> tuple[np.ndarray, np.ndarray]:  # [S], [J]
    shapes = torch.tensor(body.heads, dtype=torch.float32)
    weights = torch.tensor(body.joint_weights, dtype=torch.float32)
    shifts = torch.tensor(body.joint_offsets, dtype=torch.float32)
    parents = torch.as_tensor(body.parents.clip(min=0))
    above = torch.as_tensor(_ancestry(body.parents), dtype=torch.float32)
    target = _frames_last(positions)
    vectors, translation = _start(body, skeleton, body.shape(), positions)
    logits = torch.zeros(len(shapes), requires_grad=True)
    sizes = torch.zeros(skeleton.members.shape[1], requires_grad=True)

    def loss() -> Tensor:
        heads = torch.tensordot(torch.softmax(logits, 0), shapes, 1)
        factor = torch.exp(skeleton.members @ sizes)
        steps = (heads - heads[parents]) * factor[parents, None]
        heads = heads[0] + above @ steps
        points = weights[..., None] * torch.cat(
            [heads + shifts[:, None], torch.ones(*weights.shape, 1)], -1
        )
        miss = skeleton.joints(heads, points, vectors, translation) - target
        odd = (sizes**2).sum() / SCALE_SPREAD**2 + (logits**2).sum() / BLEND_SPREAD**2
        prior = len(positions) * JOINT_NOISE**2 * odd
        return (miss**2).sum() + skeleton.unlikeliness(vectors) + prior

    _minimise(loss, [vectors, translation, logits, sizes], SHAPE_ITERATIONS)
    share = torch.softmax(logits.detach().double(), 0).numpy()
    scale = torch.exp(skeleton.members @ sizes.detach()).double().numpy()
    return share / share.sum(), scale


def _fit_poses(
    body: Body,
    skeleton: _Skeleton,
    shape: Shape,
    positions: np.ndarray,  # [T, 17, 3]
) -> tuple[np.ndarray, np.ndarray]:  # [T, P, 3], [T, 3]
    heads = torch.as_tensor(shape.heads, dtype=torch.float32)
    points = torch.as_tensor(joint_points(body, shape), dtype=torch.float32)
    target = _frames_last(positions)
    vectors, translation = _start(body, skeleton, shape, positions)

    def loss() -> Tensor:
        miss = skeleton.joints(heads, points, vectors, translation) - target
        return (miss**2).sum() + skeleton.unlikeliness(vectors)

    _minimise(loss, [vectors, translation], POSE_ITERATIONS)
    turns = vectors.detach().permute(2, 0, 1).reshape(-1, 3).numpy()
    turns = Rotation.from_rotvec(turns).as_rotvec()  # no more than half a turn
    return turns.reshape(len(positions), -1, 3), translation.detach().T.numpy()


def _minimise(loss: Callable[[], Tensor], parameters: list[Tensor], iterations: int) -> None:
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=iterations, history_size=20, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The arrays are small: more threads would wait for each other, the longer the busier."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _start(
    body: Body,
    skeleton: _Skeleton,
    shape: Shape,
    positions: np.ndarray,  # [T, 17, 3]
) -> tuple[Tensor, Tensor]:  # [P, 3, T], [3, T]
    """The rest pose, moved as a whole to lie on the torso best (Kabsch 1976)."""
    rest = joint_points(body, shape)[..., :3].sum(1)
    torso = rest[TORSO_JOINTS] - rest[TORSO_JOINTS].mean(0)
    seen = positions[:, TORSO_JOINTS].astype(np.float64)
    seen -= seen.mean(axis=1, keepdims=True)
    left, _, right = np.linalg.svd(np.einsum("tki,kj->tij", seen, torso))
    left[..., 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    turn = left @ right
    vectors = np.zeros((len(skeleton.bones), 3, len(positions)), np.float32)
    vectors[0] = Rotation.from_matrix(turn).as_rotvec().T
    translation = positions[:, 0] - (rest[0] - shape.heads[0]) @ turn.transpose(0, 2, 1)
    return (
        torch.as_tensor(vectors).requires_grad_(),
        torch.as_tensor(translation.T.astype(np.float32, order="C")).requires_grad_(),
    )


def _frames_last(positions: np.ndarray) -> Tensor:
    return torch.as_tensor(positions.transpose(1, 2, 0).astype(np.float32, order="C"))


def _ancestry(parents: np.ndarray) -> np.ndarray:
    """Row j marks bone j and its ancestors, the root left out."""
    above = np.zeros((len(parents), len(parents)))
    for bone, parent in enumerate(parents[1:], start=1):
        above[bone] = above[parent]
        above[bone, bone] = 1
    return above
