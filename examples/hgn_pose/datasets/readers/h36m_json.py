"""Human3.6M as the JSON files of Pose2Mesh and HGN: annotations in COCO's manner.

``Human36M_subject{N}_data.json`` lists images, ``_camera.json`` holds the cameras,
``_joint_3d.json`` the 17 joints in world millimetres, and ``_smpl_param.json``, which may be
absent, SMPL's parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from examples.hgn_pose.body.poses import SmplParameters
from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.datasets.data_set import DataSet
from examples.hgn_pose.datasets.h36m import ACTIONS, FPS, SUBJECTS, TEST_SUBJECTS, Lens
from examples.hgn_pose.datasets.takes import RealCamera, Take, join
from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.files.texts import read_json
from examples.hgn_pose.motion.motion import Clip
from examples.hgn_pose.motion.recording import Recording
from multiscale_gcn.checks.arguments import real_number, shown, whole_number

FIRST_ACTION = 2
"""Number of the first of ``ACTIONS`` in the files."""

MISPLACED = {("S9", "Greeting 2"), ("S9", "SittingDown 2"), ("S9", "Waiting 1")}
"""Takes whose 3D joints do not fit the images; HGN leaves them out."""

MOST_CAMERAS = 100
"""Of a subject; there are four, and every camera needs room for every frame of a take."""
LARGEST_NUMBER = 2**31 - 1
"""Of actions, takes and frames."""

WORST_SHAPE = 3.0
"""SMPL shapes with a larger coefficient are replaced by the mean shape, as in Pose2Mesh."""

HOW_TO_GET = "the README of the repository Pose2Mesh_RELEASE on GitHub says where to get it"


def load_h36m_json(
    path: str | Path, *, train_every: int = 1, test_every: int = 1, test_only: bool = False
) -> Recording:
    """Read the annotations of all subjects whose files are in a folder.

    Parameters
    ----------
    path : str or Path
        The folder ``annotations``, or the one that contains it.
    train_every, test_every : int
        Read only frames whose number is a multiple; HGN's are 5 and 50.
    test_only : bool
        Leave out the subjects for training, whose files are large.

    Returns
    -------
    Recording
        World metres; subjects 9 and 11 are held out. The 2D joints are the true ones, seen
        through the pinhole of ``_camera.json``. S9's Greeting 2, SittingDown 2 and Waiting 1 are
        left out. Its motion has SMPL's parameters where there are such files: shapes with a
        coefficient beyond 3 are then zero, and frames without parameters are left out, as HGN
        does.

    Raises
    ------
    ValueError
        If a file is missing or no such JSON, or an entry that another one refers to is missing.
    """
    folder = _folder(Path(path))
    with reading(folder, HOW_TO_GET):
        return _recording(folder, train_every, test_every, test_only)


def _recording(folder: Path, train_every: int, test_every: int, test_only: bool) -> Recording:
    takes: list[Take] = []
    views: list[RealCamera] = []
    parameters: list[list[Any]] = []
    wanted = TEST_SUBJECTS if test_only else SUBJECTS
    subjects = [s for s in wanted if _file(folder, s, "data").is_file()]
    with_smpl = any(_file(folder, s, "smpl_param").is_file() for s in subjects)
    for subject in subjects:
        every = test_every if subject in TEST_SUBJECTS else train_every
        source = _Subject.read(folder, subject, with_smpl)
        rows = {camera: len(views) + row for row, camera in enumerate(source.views)}
        views.extend(view for view, _ in source.views.values())
        for key, cameras in source.sights(every).items():
            frames = source.frames(key, cameras)
            if len(frames):
                takes.append(source.take(key, frames, cameras, rows))
                parameters.extend(source.parameters(key, frames))
    recording = join(takes, views, str(folder))
    if not with_smpl:
        return recording
    return replace(recording, motion=replace(recording.motion, smpl=_stack(parameters, folder)))


def _folder(path: Path) -> Path:
    for folder in (path, path / "annotations"):
        if any(_file(folder, subject, "data").is_file() for subject in SUBJECTS):
            return folder
    raise ValueError(
        f"there is no file Human36M_subject1_data.json (nor of subjects 5 to 11) in {path}; "
        f"{HOW_TO_GET}"
    )


def _file(folder: Path, subject: str, what: str) -> Path:
    return folder / f"Human36M_subject{subject[1:]}_{what}.json"


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"there is no file {path}; {HOW_TO_GET}")
    stored = read_json(path)
    if not isinstance(stored, dict):
        raise ValueError(f"{path} cannot be used: it is no object of JSON; {HOW_TO_GET}")
    return stored


Key = tuple[int, int]
"""Numbers of an action and of its take."""


@dataclass(frozen=True, eq=False)
class _Subject:
    name: str
    images: list[dict[str, Any]]
    views: dict[str, tuple[RealCamera, Lens]]  # by the camera's number in the files
    joints: Mapping[str, Any]
    smpl: Mapping[str, Any] | None
    folder: Path

    @classmethod
    def read(cls, folder: Path, name: str, with_smpl: bool) -> _Subject:
        data = _json(_file(folder, name, "data"))
        images, boxed = data.get("images"), data.get("annotations")
        if not isinstance(images, list) or not isinstance(boxed, list):
            raise ValueError(
                f"{_file(folder, name, 'data')} cannot be used: it has no lists 'images' and "
                "'annotations'"
            )
        annotated = {annotation["image_id"] for annotation in boxed}
        images = [image for image in images if image["id"] in annotated]
        for image in images:
            for number in ("action_idx", "subaction_idx", "frame_idx"):
                where = f"{_file(folder, name, 'data')}, image {shown(image['id'])}: {number}"
                whole_number(image[number], where, least=0, most=LARGEST_NUMBER)
        numbers = range(FIRST_ACTION, FIRST_ACTION + len(ACTIONS))
        unknown = sorted({image["action_idx"] for image in images} - set(numbers))
        if unknown:
            raise ValueError(
                f"{_file(folder, name, 'data')} cannot be used: action_idx {unknown[0]} is "
                f"unknown; they are {numbers[0]} to {numbers[-1]}"
            )
        sizes: dict[str, tuple[float, float]] = {}
        for image in images:
            size = image["width"], image["height"]
            if sizes.setdefault(str(image["cam_idx"]), size) != size:
                raise ValueError(
                    f"{_file(folder, name, 'data')} cannot be used: image {shown(image['id'])} of "
                    f"camera {shown(image['cam_idx'])} has another size than those before it; "
                    f"{HOW_TO_GET}"
                )
        if len(sizes) > MOST_CAMERAS:
            raise ValueError(
                f"{_file(folder, name, 'data')} cannot be used: its images are of {len(sizes)} "
                f"cameras, more than {MOST_CAMERAS}; {HOW_TO_GET}"
            )
        for width, height in sizes.values():
            where = f"{_file(folder, name, 'data')}: an image's"
            real_number(width, f"{where} width", above=0)
            real_number(height, f"{where} height", above=0)
        cameras = _json(_file(folder, name, "camera"))
        missing = sorted(set(sizes) - set(cameras))
        if missing:
            raise ValueError(
                f"{_file(folder, name, 'camera')} lacks camera {missing[0]}, which images show"
            )
        return cls(
            name=name,
            images=images,
            views={
                camera: _view(camera, cameras[camera], size)
                for camera, size in sorted(sizes.items())
            },
            joints=_json(_file(folder, name, "joint_3d")),
            smpl=_json(_file(folder, name, "smpl_param")) if with_smpl else None,
            folder=folder,
        )

    def sights(self, every: int) -> dict[Key, dict[str, set[int]]]:
        """Frames by camera, by take."""
        found: dict[Key, dict[str, set[int]]] = {}
        for image in self.images:
            key = (image["action_idx"], image["subaction_idx"])
            if image["frame_idx"] % every == 0 and (self.name, _name(key)) not in MISPLACED:
                cameras = found.setdefault(key, {})
                cameras.setdefault(str(image["cam_idx"]), set()).add(image["frame_idx"])
        return dict(sorted(found.items()))

    def frames(self, key: Key, cameras: dict[str, set[int]]) -> np.ndarray:
        """Numbers of the frames that any camera saw and that have all that is needed."""
        numbers = set().union(*cameras.values())
        if self.smpl is not None:
            numbers &= {int(number) for number in _get(self.smpl, key)}
        return np.array(sorted(numbers), dtype=np.int64)

    def take(
        self, key: Key, frames: np.ndarray, cameras: dict[str, set[int]], rows: dict[str, int]
    ) -> Take:
        joints = _get(self.joints, key)
        where = f"{_file(self.folder, self.name, 'joint_3d')}, {_name(key)}"
        missing = [number for number in frames if str(number) not in joints]
        if missing:
            raise ValueError(f"{where}: there is no frame {missing[0]}, which images show")
        try:
            positions = np.array([joints[str(number)] for number in frames], dtype=np.float64)
        except ValueError as error:
            raise ValueError(f"{where}: the frames differ in shape") from error
        if positions.shape[1:] != (len(JOINTS), 3):
            raise ValueError(f"{where}: a frame has shape {positions.shape[1:]}, expected (17, 3)")
        positions /= 1000
        clip = Clip(
            f"{self.name} {_name(key)}",
            ACTIONS[key[0] - FIRST_ACTION],
            self.name,
            self.name in TEST_SUBJECTS,
        )
        pixels, seen = {}, {}
        for camera, numbers in sorted(cameras.items()):
            view, lens = self.views[camera]
            pixels[rows[camera]] = lens.project(view.sees(positions))
            seen[rows[camera]] = np.isin(frames, list(numbers))
        return Take(clip, positions, pixels, FPS, frames, seen)

    def parameters(self, key: Key, frames: np.ndarray) -> list[list[Any]]:
        if self.smpl is None:
            return []
        stored = _get(self.smpl, key)
        names = ("pose", "shape", "trans")
        for number in frames:
            missing = [name for name in names if name not in stored[str(number)]]
            if missing:
                raise ValueError(
                    f"{_file(self.folder, self.name, 'smpl_param')}, {_name(key)}: frame {number} "
                    f"has no {missing[0]!r}"
                )
        return [[stored[str(number)][name] for name in names] for number in frames]


def _view(
    camera: str, stored: Mapping[str, Any], size: tuple[float, float]
) -> tuple[RealCamera, Lens]:
    rotation = np.array(stored["R"], dtype=np.float64).reshape(3, 3)
    shift = np.array(stored["t"], dtype=np.float64).reshape(3) / 1000
    lens = Lens(
        focal=np.array(stored["f"], dtype=np.float64).reshape(2),
        centre=np.array(stored["c"], dtype=np.float64).reshape(2),
        radial=np.zeros(3),
        tangential=np.zeros(2),
    )
    return RealCamera(f"camera {camera}", rotation, -rotation.T @ shift, size), lens


def _name(key: Key) -> str:
    return f"{ACTIONS[key[0] - FIRST_ACTION]} {key[1]}"


def _get(stored: Mapping[str, Any], key: Key) -> Mapping[str, Any]:
    return stored.get(str(key[0]), {}).get(str(key[1]), {})


def _stack(parameters: list[list[Any]], folder: Path) -> SmplParameters:
    columns = []
    for place, name in enumerate(("pose", "shape", "trans")):
        try:
            column = np.array([np.ravel(row[place]) for row in parameters], dtype=np.float32)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{folder} cannot be used: {name} in the files _smpl_param.json differs in length "
                f"from frame to frame, or is no list of numbers: {error}"
            ) from error
        bad = np.argwhere(~np.isfinite(column))
        if len(bad):
            raise ValueError(
                f"{folder} cannot be used: {name} in the files _smpl_param.json is not finite in "
                f"frame {bad[0, 0]} of all that are read"
            )
        columns.append(column)
    pose, shape, translation = columns
    if translation.shape[1] != 3:
        raise ValueError(
            f"{folder} cannot be used: trans in the files _smpl_param.json has "
            f"{translation.shape[1]} numbers, expected 3"
        )
    shape[(np.abs(shape) > WORST_SHAPE).any(axis=1)] = 0
    return SmplParameters(pose, shape, translation)


DATA_SET = DataSet(
    "h36m-json",
    lambda request: load_h36m_json(
        request.path,
        train_every=request.train_every,
        test_every=request.test_every,
        test_only=request.test_only,
    ),
    what="Human3.6M, in the files of Pose2Mesh and HGN",
    expected="the folder of Pose2Mesh's Human36M_subject*_data.json and their kin",
    strides=(5, 50),
    notes=(
        "Human3.6M: subjects 9 and 11 are held out; the four cameras are real, the 2D joints "
        "exact. S9's Greeting 2, SittingDown 2 and Waiting 1 are left out, as HGN does.",
    ),
)
