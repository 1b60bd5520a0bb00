"""Fit the body to 17 joints: which person, and how every bone turns in every frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from tqdm.auto import tqdm

from examples.hgn_pose.body.body_model import BodyModel
from examples.hgn_pose.body.carrying import Carried
from examples.hgn_pose.body.poses import BodyPose
from examples.hgn_pose.body.shape_space import ShapeSpace
from examples.hgn_pose.body.skinning import joint_positions
from examples.hgn_pose.fitting.articulation import JOINT_NOISE, Articulation, Posed, Rig
from examples.hgn_pose.fitting.first_guess import first_guess
from examples.hgn_pose.fitting.levenberg_marquardt import settle_poses, settle_shape

FRAMES_AT_ONCE = {"cpu": 256, "cuda": 8192}
SHAPE_FRAMES = 256


def fit(
    body: BodyModel,
    positions: np.ndarray,  # [T, 17, 3]
    person: np.ndarray,  # [T]
    *,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> tuple[BodyPose, np.ndarray]:
    """Fit a person's shape to a sample of their frames, then a pose to every frame.

    First, for each person, the shape (of the built-in body a blend of its shapes and the size of
    its bones, of SMPL the first ten coefficients) and the poses of up to 256 of their frames are
    found together; then, with the shape fixed, the poses of all
    frames. Both by Levenberg-Marquardt steps on rotation vectors, many frames at once, from torso
    and limbs laid along what is seen. A joint that lies far from what the others say hardly
    counts.

    Parameters
    ----------
    body : BodyModel
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
    stays as at rest. The pose-corrective shapes of SMPL, which move joints that are means of
    vertices by a little, are left out of the steps, and counted in the error.
    """
    _check_positions(positions, person)
    device = torch.device(device)
    space = body.shape_space()
    first = space.person(np.zeros(len(space.spread)))
    articulation = Articulation.of(body, space.joints(first[0][None], first[1][None]))
    people = int(person.max()) + 1 if len(person) else 0
    rotations = np.zeros((len(positions), len(body.parents), 3), np.float32)
    translation = np.empty((len(positions), 3), np.float32)
    blend, scale = (np.tile(array, (people, 1)) for array in first)
    with (
        _workers(device) as workers,
        tqdm(
            total=len(positions),
            desc="fitting bodies",
            unit="frame",
            disable=None if progress else True,
        ) as bar,
    ):

        def fit_person(one: int) -> None:
            frames = np.flatnonzero(person == one)
            spread = np.linspace(0, len(frames) - 1, min(SHAPE_FRAMES, len(frames)))
            blend[one], scale[one] = _fit_shape(
                articulation, space, positions[frames[spread.astype(int)]], device
            )

        for _ in workers.map(fit_person, np.unique(person).tolist()):
            pass

        def fit_chunk(chunk: np.ndarray) -> int:
            vectors, translation[chunk] = _fit_poses(
                articulation, rest.of(person[chunk[0]]), positions[chunk], device
            )
            rotations[chunk[:, None], articulation.bones] = vectors
            return len(chunk)

        rest = space.joints(blend, scale)
        at_once = FRAMES_AT_ONCE[device.type]
        chunks = [
            frames[start : start + at_once]
            for frames in (np.flatnonzero(person == one) for one in np.unique(person))
            for start in range(0, len(frames), at_once)
        ]
        for count in workers.map(fit_chunk, chunks):
            bar.update(count)
    poses = BodyPose(rotations, translation, np.asarray(person), blend, scale)
    return poses, joint_errors(body, poses, positions)


def joint_errors(
    body: BodyModel,
    poses: BodyPose,
    positions: np.ndarray,  # [T, 17, 3]
    *,
    centred: bool = False,
) -> np.ndarray:  # [T]
    """Mean distance of a posed body's joints from the given ones, millimetres, float32.

    Parameters
    ----------
    body : BodyModel
    poses : BodyPose
    positions : array of float, shape (T, 17, 3)
        World metres.
    centred : bool
        Lay the middles of the 17 joints on each other first, as Pose2Mesh's code does to judge
        SMPL's parameters.

    Examples
    --------
    >>> from examples.hgn_pose.body.built_in import load_body
    >>> from examples.hgn_pose.datasets.readers.builtin import load_builtin
    >>> motion = load_builtin()
    >>> error = joint_errors(load_body(), motion.poses, motion.positions)
    >>> bool(abs(error - motion.fit_error).max() < 0.01)
    True
    """
    away = joint_positions(body, poses) - positions
    if centred:
        away -= away.mean(axis=1, keepdims=True)
    distance = np.linalg.norm(away, axis=-1)
    return (1000 * distance.mean(axis=1)).astype(np.float32)


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
    space: ShapeSpace,
    positions: np.ndarray,  # [T, 17, 3]
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:  # [S], [J]
    target = _frames_last(positions, device)
    start = np.zeros(len(space.spread))
    person = space.carried(start)
    guess = torch.as_tensor(first_guess(articulation, person, positions))
    rigs = _Rigs(articulation, space)
    with torch.no_grad():
        rig = Rig.of(articulation, person, device)
        unknowns = settle_poses(rig, guess.to(target), target)
        prior = len(positions) * JOINT_NOISE**2 / torch.as_tensor(space.spread).to(target) ** 2
        found = settle_shape(rigs.rig, torch.as_tensor(start).to(target), unknowns, target, prior)
    return space.person(found.double().cpu().numpy())


class _Rigs:
    """The rigs of the people in a shape space, and how their joints move with its unknowns."""

    def __init__(self, articulation: Articulation, space: ShapeSpace) -> None:
        self.articulation, self.space = articulation, space
        self.weights = space.carried(np.zeros(len(space.spread))).points[0, ..., 3]
        self.above = articulation.above
        below = np.eye(len(self.above))
        for bone in range(len(self.above) - 1, 0, -1):
            below[self.above[bone]] += below[bone]
        self.hanging = self.weights @ below.T  # [17, J] share of a joint at and below a bone

    def rig(self, person: Tensor) -> tuple[Rig, Callable[[Posed], Tensor]]:
        """The rig, and how its joints move with the K unknowns in given poses."""
        unknowns = person.double().cpu().numpy()
        rig = Rig.of(self.articulation, self.space.carried(unknowns), person.device, person.dtype)
        heads, points = self.space.changes(unknowns)
        steps = heads - heads[:, self.above]
        aside = points - self.weights[..., None] * heads[:, None]  # [K, 17, J, 3]
        carrier = self.articulation.carrier
        carried = np.zeros((len(self.hanging), len(self.articulation.bones), 3, len(unknowns)))
        for bone, parent in enumerate(self.above):
            carried[:, carrier[parent]] += self.hanging[:, bone, None, None] * steps[:, bone].T
            carried[:, carrier[bone]] += aside[:, :, bone].transpose(1, 2, 0)
        matrix = torch.as_tensor(carried).to(person).permute(1, 2, 0, 3).flatten(0, 1).flatten(1)

        def by_shape(posed: Posed) -> Tensor:  # [T, 51, K]
            columns = posed.turned.permute(3, 1, 0, 2).flatten(2)  # [T, 3, 3 P]
            moves = columns @ matrix
            return moves.unflatten(2, (len(self.hanging), -1)).transpose(1, 2).flatten(1, 2)

        return rig, by_shape


def _fit_poses(
    articulation: Articulation,
    person: Carried,
    positions: np.ndarray,  # [T, 17, 3]
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:  # [T, P, 3], [T, 3]
    target = _frames_last(positions, device)
    guess = torch.as_tensor(first_guess(articulation, person, positions))
    with torch.no_grad():
        rig = Rig.of(articulation, person, device)
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
