"""A user's own poses, as an npz or npy file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from examples.hgn_pose.datasets.data_set import DataSet
from examples.hgn_pose.datasets.plausible import (
    Z_UP,
    axis_up,
    check_sides,
    check_skeleton,
    check_upright,
)
from examples.hgn_pose.datasets.takes import Y_DOWN_TO_Z_UP, RealCamera, Take, join, level_camera
from examples.hgn_pose.files.archives import names_in, read_npz
from examples.hgn_pose.files.npy import read_npy
from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.motion.footage import Footage
from examples.hgn_pose.motion.motion import Clip, Motion
from multiscale_gcn.checks.arguments import shown

FEW_CLIPS, CLIPS_A_FRAME = 10_000, 10
"""Clips may have no frame, but there are not more of them than the one number, or the other for
each frame: a table of all is made."""
OPTIONAL = {
    "positions_2d": "(V, T, 17, 2) pixels, or (T, 17, 2)",
    "image_size": "(2,) or (V, 2): width and height in pixels; needed with positions_2d",
    "camera_rotation": "(V, 3, 3): from world to camera axes, rows right, down, forward",
    "camera_position": "(V, 3): where the cameras stand, metres",
    "clip": "(T,) clip of every frame, from 0",
    "clip_name": "(C,) text",
    "clip_action": "(C,) text",
    "clip_subject": "(C,) numbers or text",
    "clip_test": "(C,) true for the clips that are kept for the test",
    "fps": "a number",
    "up": "text: the axis that points up, if it is not z: x, -x, y, -y or -z",
}
"""Arrays that an npz file may hold beside ``positions_3d``, (T, 17, 3) metres."""


def load_arrays(path: str | Path) -> Footage:
    """Read 17 joints over time from a file of the user's.

    Parameters
    ----------
    path : str or Path
        A ``.npy`` file of positions, shape (T, 17, 3), or an ``.npz`` file with that array as
        ``positions_3d`` and any of the arrays that ``OPTIONAL`` names.

    Returns
    -------
    Motion or Recording
        Without ``positions_2d`` a Motion, for virtual cameras: the positions must be in a world
        with z up, or ``up`` says which axis it is. With it a Recording: the positions are in the
        world of ``camera_rotation`` and ``camera_position`` or, without these, in the frame of the
        one camera (right, down, forward). Without ``clip_test`` everything is for the test.

    Raises
    ------
    ValueError
        If the file is missing or damaged, shapes do not fit together, or the joints are not in
        metres, pixels or the order of ``skeleton.JOINTS``, stand along another axis, or have
        their sides swapped.
    """
    path = Path(path)
    with reading(path, "give arrays as numpy.savez writes them"):
        return _footage(path)


def _footage(path: Path) -> Footage:
    data = _read(path)
    positions = data["positions_3d"]
    if positions.ndim != 3 or positions.shape[1:] != (17, 3) or positions.dtype.kind != "f":
        raise ValueError(
            f"{path} cannot be used: positions_3d is {positions.dtype} of shape "
            f"{positions.shape}, expected floats of shape (T, 17, 3)"
        )
    if not len(positions):
        raise ValueError(f"{path} cannot be used: there are no frames")
    clip, clips, fps = _clips(data, len(positions), path)
    if "positions_2d" not in data:
        check_skeleton(positions, str(path))
        if "up" in data:
            positions = _turned(positions, data["up"], path)
        else:
            check_upright(positions, str(path))
        check_sides(positions, str(path))
        try:
            return Motion(positions.astype(np.float32), clip, clips, np.full(len(clips), fps))
        except ValueError as error:
            raise ValueError(f"{path} cannot be used: {error}") from error
    pixels, views, positions = _cameras(data, positions, path)
    takes = [
        Take(
            clips[number],
            positions[clip == number],
            {row: image[clip == number] for row, image in enumerate(pixels)},
            fps,
        )
        for number in np.unique(clip)
    ]
    return join(takes, views, str(path))


def _turned(positions: np.ndarray, up: np.ndarray, path: Path) -> np.ndarray:
    """With z up."""
    axis = str(up).lower() if up.shape == () else ""
    if axis not in Z_UP:
        raise ValueError(
            f"{path} cannot be used: up is {shown(up.tolist())}, none of {', '.join(Z_UP)}"
        )
    found = axis_up(positions)
    if axis != "z" and found not in (None, axis):
        raise ValueError(
            f"{path} cannot be used: up is {axis!r}, but heads are above feet along {found}; give "
            f"up = {found!r}"
        )
    order, signs = Z_UP[axis]
    return positions[..., order] * np.array(signs, positions.dtype)


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise ValueError(f"there is no file {path}; give an .npz or .npy file with --data-path")
    if path.suffix == ".npy":
        return {"positions_3d": read_npy(path)}
    there = names_in(path)
    unread = [name for name in there if name not in ("positions_3d", *OPTIONAL)]
    if unread and "positions_3d" in there:
        raise ValueError(
            f"{path} cannot be used: it has arrays that are not read: {', '.join(unread)}; leave "
            f"them out, or name them as one of {', '.join(OPTIONAL)}"
        )
    return read_npz(path, ["positions_3d", *(name for name in OPTIONAL if name in there)])


def _clips(
    data: dict[str, np.ndarray], frames: int, path: Path
) -> tuple[np.ndarray, tuple[Clip, ...], float]:
    clip = data.get("clip", np.zeros(frames, np.int64))
    if clip.shape != (frames,) or clip.dtype.kind not in "iu" or clip.min() < 0:
        raise ValueError(
            f"{path} cannot be used: clip must be {frames} whole numbers from 0, got {clip.dtype} "
            f"of shape {clip.shape}"
        )
    count = int(clip.max()) + 1
    most = max(FEW_CLIPS, CLIPS_A_FRAME * frames)
    if count > most:
        raise ValueError(
            f"{path} cannot be used: clip[{clip.argmax()}] = {count - 1}, and {frames} frames have "
            f"at most {most} clips; number the clips 0, 1, 2, ..."
        )
    fields = {
        "clip_name": np.array([f"clip {number}" for number in range(count)]),
        "clip_action": np.full(count, "all"),
        "clip_subject": np.zeros(count, np.int64),
        "clip_test": np.ones(count, bool),
    }
    for name in fields:
        if name in data:
            if data[name].shape != (count,):
                raise ValueError(
                    f"{path} cannot be used: {name} has shape {data[name].shape}, but clip counts "
                    f"to {count}"
                )
            fields[name] = data[name]
    if fields["clip_test"].dtype.kind not in "biu":
        raise ValueError(
            f"{path} cannot be used: clip_test is {fields['clip_test'].dtype}, expected true or "
            "false for every clip"
        )
    fps = data.get("fps", np.array(50.0))
    if fps.shape != () or fps.dtype.kind not in "iuf" or not 0 < fps < np.inf:
        raise ValueError(
            f"{path} cannot be used: fps is {fps.dtype} of shape {fps.shape}, expected one "
            "positive number"
        )
    clips = tuple(
        Clip(str(name), str(action), subject.item(), bool(test))
        for name, action, subject, test in zip(*fields.values(), strict=True)
    )
    return clip.astype(np.int64), clips, float(fps)


def _cameras(
    data: dict[str, np.ndarray], positions: np.ndarray, path: Path
) -> tuple[np.ndarray, list[RealCamera], np.ndarray]:
    """Pixels [V, T, 17, 2], the views, and the positions in the world."""
    pixels = data["positions_2d"]
    if pixels.ndim == 3:
        pixels = pixels[None]
    if pixels.shape[1:] != (*positions.shape[:2], 2):
        raise ValueError(
            f"{path} cannot be used: positions_2d has shape {data['positions_2d'].shape}, expected "
            f"(V, {len(positions)}, 17, 2) or ({len(positions)}, 17, 2)"
        )
    if "image_size" not in data:
        raise ValueError(f"{path} cannot be used: image_size is missing: {OPTIONAL['image_size']}")
    count = len(pixels)
    if not count or pixels.dtype.kind not in "iuf":
        raise ValueError(
            f"{path} cannot be used: positions_2d is {pixels.dtype} of {count} cameras, expected "
            "numbers of one at least"
        )
    size = data["image_size"]
    if size.dtype.kind not in "iuf" or not ((size > 0) & (size < np.inf)).all():
        raise ValueError(
            f"{path} cannot be used: image_size is {shown(size.tolist())}, expected positive "
            "numbers of pixels"
        )
    sizes = np.broadcast_to(size, (count, 2)).astype(float)
    given = [name for name in ("camera_rotation", "camera_position") if name in data]
    if not given and count == 1:
        view = level_camera("camera 0", tuple(sizes[0]))
        return pixels, [view], positions @ Y_DOWN_TO_Z_UP.T
    if len(given) < 2:
        raise ValueError(
            f"{path} cannot be used: with {count} cameras, camera_rotation and camera_position are "
            "needed"
        )
    rotation, position = data["camera_rotation"], data["camera_position"]
    if rotation.shape != (count, 3, 3) or position.shape != (count, 3):
        raise ValueError(
            f"{path} cannot be used: camera_rotation has shape {rotation.shape} and "
            f"camera_position {position.shape}, expected ({count}, 3, 3) and ({count}, 3)"
        )
    for row, matrix in enumerate(rotation):
        if not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3) or np.linalg.det(matrix) < 0:
            raise ValueError(f"{path} cannot be used: camera_rotation[{row}] is no rotation")
    views = [
        RealCamera(f"camera {row}", rotation[row], position[row], tuple(sizes[row]))
        for row in range(count)
    ]
    return pixels, views, positions


DATA_SET = DataSet(
    "arrays",
    lambda request: load_arrays(request.path),
    what="17 joints of your own",
    expected="an .npz or .npy file of yours",
    notes=("The data are the user's own.",),
)
