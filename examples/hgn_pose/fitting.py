"""Fit the body to 17 joints: which person, and how every bone turns in every frame."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from tqdm import tqdm

from examples.hgn_pose.archives import read_npz, write_npz
from examples.hgn_pose.articulation import JOINT_NOISE, Articulation, Posed, Rig
from examples.hgn_pose.body import Body
from examples.hgn_pose.body_model import Shape
from examples.hgn_pose.guessing import first_guess
from examples.hgn_pose.kinematics import joint_positions
from examples.hgn_pose.poses import BodyPose
from examples.hgn_pose.solving import settle_poses, settle_shape

if TYPE_CHECKING:
    from examples.hgn_pose.motion import Motion

VERSION = 2
"""Raised when the fitter's result changes, so that old cached fits are not taken."""

FRAMES_AT_ONCE = {"cpu": 256, "cuda": 8192}
SHAPE_FRAMES = 256

SCALE_SPREAD = 0.1
BLEND_SPREAD = 1.0


def fit(
    body: Body,
    positions: np.ndarray,  # [T, 17, 3]
    person: np.ndarray,  # [T]
    *,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> tuple[BodyPose, np.ndarray]:
    """Fit a person's shape to a sample of their frames, then a pose to every frame.

    First, for each person, the blend of the body's shapes, the size of the bones and the poses
    of up to 256 of their frames are found together; then, with the shape fixed, the poses of all
    frames. Both by Levenberg-Marquardt steps on rotation vectors, many frames at once, from torso
    and limbs laid along what is seen. A joint that lies far from what the others say hardly
    counts.

    Parameters
    ----------
    body : Body
    positions : array of float, shape (T, 17, 3)
        World joint positions, metres, z up.
    person : array of int, shape (T,)
        Who moves in each frame, 0 to P - 1.
    device : torch.device or str
        Where to compute. On the CPU as many threads as PyTorch uses share the frames.
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
    A prior settles it: knees and elbows bend about one axis and only one way, what is not seen
    stays as at rest.
    """
    _check_positions(positions, person)
    device = torch.device(device)
    articulation = Articulation.of(body)
    people = int(person.max()) + 1 if len(person) else 0
    rotations = np.zeros((len(positions), len(body.bones), 3), np.float32)
    translation = np.empty((len(positions), 3), np.float32)
    blend = np.full((people, len(body.shape_names)), 1 / len(body.shape_names))
    scale = np.ones((people, len(body.bones)))
    with (
        _workers(device) as workers,
        tqdm(
            total=len(positions), desc="fitting bodies", unit="frame", disable=not progress
        ) as bar,
    ):

        def fit_person(one: int) -> None:
            frames = np.flatnonzero(person == one)
            spread = np.linspace(0, len(frames) - 1, min(SHAPE_FRAMES, len(frames)))
            blend[one], scale[one] = _fit_shape(
                articulation, body, positions[frames[spread.astype(int)]], device
            )

        for _ in workers.map(fit_person, np.unique(person).tolist()):
            pass

        def fit_chunk(chunk: np.ndarray) -> int:
            one = person[chunk[0]]
            shape = shapes[one]
            vectors, translation[chunk] = _fit_poses(
                articulation, body, shape, positions[chunk], device
            )
            rotations[chunk[:, None], articulation.bones] = vectors
            return len(chunk)

        shapes = {one: body.shape(blend[one], scale[one]) for one in np.unique(person)}
        at_once = FRAMES_AT_ONCE[device.type]
        chunks = [
            frames[start : start + at_once]
            for frames in (np.flatnonzero(person == one) for one in shapes)
            for start in range(0, len(frames), at_once)
        ]
        for count in workers.map(fit_chunk, chunks):
            bar.update(count)
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
    body: Body,
    motion: Motion,
    *,
    cache: Path | None = None,
    device: torch.device | str = "cpu",
    progress: bool = False,
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
    device : torch.device or str
        Where to compute.
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
    poses, error = fit(body, motion.positions, person, device=device, progress=progress)
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


def _fit_shape(
    articulation: Articulation,
    body: Body,
    positions: np.ndarray,  # [T, 17, 3]
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:  # [S], [J]
    family = _Family(articulation, body, device)
    count = len(body.shape_names)
    first = body.shape(np.full(count, 1 / count))
    target = _frames_last(positions, device)
    guess = torch.as_tensor(first_guess(articulation, body, first, positions))
    with torch.no_grad():
        unknowns = settle_poses(Rig.of(articulation, body, first, device), guess.to(target), target)
        start = target.new_zeros(count + articulation.members.shape[1])
        odd = torch.full_like(start, 1 / SCALE_SPREAD**2)
        odd[:count] = 1 / BLEND_SPREAD**2
        prior = len(positions) * JOINT_NOISE**2 * odd
        found = settle_shape(family.member, start, unknowns, target, prior)
    return family.blend_and_scale(found)


class _Family:
    """All people that the body can be, with the derivatives of their joints.

    A person is S logits of the blend, and G logarithms of sizes.
    """

    def __init__(self, articulation: Articulation, body: Body, device: torch.device) -> None:
        self.articulation, self.body, self.device = articulation, body, device
        self.above = body.parents.clip(min=0)
        below = np.eye(len(body.bones))
        for bone in range(len(body.bones) - 1, 0, -1):
            below[body.parents[bone]] += below[bone]
        self.hanging = body.joint_weights @ below.T  # [17, J] share of a joint at and below a bone

    def blend_and_scale(self, person: Tensor) -> tuple[np.ndarray, np.ndarray]:  # [S], [J]
        """What :meth:`Body.shape` takes."""
        count = len(self.body.shape_names)
        logits, sizes = np.split(person.double().cpu().numpy(), [count])
        share = np.exp(logits - logits.max())
        return share / share.sum(), np.exp(self.articulation.members @ sizes)

    def member(self, person: Tensor) -> tuple[Rig, Callable[[Posed], Tensor]]:
        """The rig, and how its joints move with the S + G unknowns in given poses."""
        share, scale = self.blend_and_scale(person)
        shape = self.body.shape(share, scale)
        rig = Rig.of(self.articulation, self.body, shape, self.device, person.dtype)
        steps = self.body.heads - self.body.heads[:, self.above]
        blended = np.tensordot(share, steps, 1)
        by_logit = share[:, None, None] * (steps - blended)
        by_size = self.articulation.members[self.above].T[:, :, None] * blended
        change = scale[self.above, None] * np.concatenate([by_logit, by_size])  # [K, J, 3]
        carried = np.zeros((len(self.hanging), len(self.articulation.bones), 3, len(change)))
        for bone in range(1, len(self.above)):
            place = self.articulation.carrier[self.above[bone]]
            carried[:, place] += self.hanging[:, bone, None, None] * change[:, bone].T
        matrix = torch.as_tensor(carried).to(person).permute(1, 2, 0, 3).flatten(0, 1).flatten(1)

        def by_shape(posed: Posed) -> Tensor:  # [T, 51, K]
            columns = posed.turned.permute(3, 1, 0, 2).flatten(2)  # [T, 3, 3 P]
            moves = columns @ matrix
            return moves.unflatten(2, (len(self.hanging), -1)).transpose(1, 2).flatten(1, 2)

        return rig, by_shape


def _fit_poses(
    articulation: Articulation,
    body: Body,
    shape: Shape,
    positions: np.ndarray,  # [T, 17, 3]
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:  # [T, P, 3], [T, 3]
    target = _frames_last(positions, device)
    guess = torch.as_tensor(first_guess(articulation, body, shape, positions))
    with torch.no_grad():
        rig = Rig.of(articulation, body, shape, device)
        found = settle_poses(rig, guess.to(target), target).T.cpu().numpy()
    turns = Rotation.from_rotvec(found[:, :-3].reshape(-1, 3)).as_rotvec()  # half a turn at most
    return turns.reshape(len(positions), -1, 3), found[:, -3:]


@contextmanager
def _workers(device: torch.device) -> Iterator[ThreadPoolExecutor]:
    """Threads that each compute on one core: the arrays are small, and frames are many."""
    threads = torch.get_num_threads()
    count = threads if device.type == "cpu" else 1
    try:
        with ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)


def _frames_last(positions: np.ndarray, device: torch.device) -> Tensor:
    array = positions.transpose(1, 2, 0).astype(np.float32, order="C")
    return torch.as_tensor(array, device=device)
