"""What is known of the camera: its lens, and how it was held."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.lifting.framing import Framing, frame_clips
from examples.hgn_pose.lifting.mapping import Trunk
from examples.hgn_pose.motion.studio import FOCAL
from examples.hgn_pose.motion.turning import axes_towards, turned, turned_back
from multiscale_gcn.checks.arguments import real_number, shown

ChosenFraming = Literal["auto", "person", "image"]

PHONE = 65.0
"""Degrees across the longer side of the image that are taken where nothing is known: the main
cameras of phones have 60 to 75."""

LARGEST_FILE = 1_000_000
"""Bytes of a file of cameras."""

REMEDY = "see docs/real-cameras.md for what a file of cameras holds"


@dataclass(frozen=True)
class ViewOptions:
    """What is known of the camera that saw the person; all of it is optional."""

    camera: Path | None = None
    """File of a calibrated camera, .json or .toml: matrix, and where they are known rotation,
    distortions and up; or of several by name, as Pose2Sim writes them."""
    camera_name: str | None = None
    """Which of the cameras of the file."""
    field_of_view: float | None = None
    """Degrees that the camera sees across the longer side of the image; by default those of a
    phone, 65."""
    pitch: float | None = None
    """Degrees by which the camera looked down, below 0 up."""
    roll: float | None = None
    """Degrees by which the camera was rolled clockwise, seen from behind it."""

    def __post_init__(self) -> None:
        if self.field_of_view is not None:
            real_number(self.field_of_view, "field_of_view", above=0, most=170)
        if self.pitch is not None:
            real_number(self.pitch, "pitch", least=-80, most=80)
        if self.roll is not None:
            real_number(self.roll, "roll", least=-180, most=180)
        given = {"field_of_view": self.field_of_view, "pitch": self.pitch, "roll": self.roll}
        twice = [name for name, value in given.items() if value is not None]
        if self.camera is not None and twice:
            raise ValueError(
                f"camera and {twice[0]} are both given; the file says it, leave one out"
            )
        if self.camera is None and self.camera_name is not None:
            raise ValueError("camera_name is given without a file; give --camera too")

    def read(self, image_size: tuple[int, int]) -> View:
        """The view, for images of a size in pixels.

        Raises
        ------
        ValueError
            When the file of the camera is missing or cannot be used.
        """
        if self.camera is not None:
            with reading(self.camera, REMEDY):
                return _from_file(self.camera, self.camera_name)
        width, height = image_size
        half = np.deg2rad((self.field_of_view or PHONE) / 2)
        focal = max(width, height) / 2 / np.tan(half)
        known = self.field_of_view is not None
        down = None
        if self.pitch is not None or self.roll is not None:
            down = direction_down(self.pitch or 0.0, self.roll or 0.0)
        return View(
            np.full(2, focal), np.array([width / 2, height / 2]), known or down is not None, down
        )


@dataclass(frozen=True, eq=False)
class View:
    """A camera, as far as it is known.

    Parameters
    ----------
    focal, centre : array of float64, shape (2,)
        Pixels.
    known : bool
        Whether anything of the camera was told; else it is taken for a phone.
    down : array of float64, shape (3,), or None
        Unit vector along which things fall, in the axes of the camera; None if nobody knows.
    distortions : tuple of float
        k1, k2, p1, p2 and k3 of OpenCV's model.
    """

    focal: np.ndarray
    centre: np.ndarray
    known: bool
    down: np.ndarray | None
    distortions: tuple[float, ...] = (0.0,) * 5

    def slopes(
        self,
        pixels: np.ndarray,  # [..., 2]
    ) -> np.ndarray:  # [..., 2]
        """Slopes of the rays, x to the right and y down.

        Examples
        --------
        >>> import numpy as np
        >>> from examples.hgn_pose.lifting.viewing import ViewOptions
        >>> view = ViewOptions(field_of_view=90).read((200, 100))
        >>> view.slopes(np.array([[[100.0, 50.0], [200.0, 50.0]]])).round(3).tolist()
        [[[0.0, 0.0], [1.0, 0.0]]]
        """
        return undistorted((pixels - self.centre) / self.focal, self.distortions)

    def axes(
        self,
        slopes: np.ndarray,  # [T, 17, 2]
    ) -> np.ndarray:  # [T, 3, 3]
        """Axes of a camera that turns to the pelvis, frame by frame, level if down is known."""
        down = np.array([0.0, 1.0, 0.0]) if self.down is None else self.down
        return axes_towards(slopes[:, 0], down)

    def facts(self) -> dict[str, Any]:
        """For a report, as JSON values."""
        facts: dict[str, Any] = {"focal": self.focal.round(2).tolist()}
        if self.down is not None:
            facts["down"] = self.down.round(5).tolist()
        return facts


class Input(NamedTuple):
    """What a network is asked, and how its answer is turned back."""

    image: np.ndarray  # [T, 17, 2], or of clips [F, T, 17, 2], float32
    axes: np.ndarray | None  # [T, 3, 3] of the cameras of the image, or None if it was not turned

    def turned_back(
        self,
        points: np.ndarray,  # [T, N, 3]
    ) -> np.ndarray:  # [T, N, 3]
        """Points of the answer in the axes of the camera."""
        return points if self.axes is None else turned_back(points, self.axes)


def network_input(
    joints: np.ndarray,  # [T, 17, 2] pixels
    image_size: tuple[int, int],
    framing: ChosenFraming,
    trunk: Trunk,
    view: View,
    *,
    facing: bool,
) -> Input:
    """The input of a network: as a camera sees the person that turned to them, if one is known.

    The person of every frame by itself, as :func:`clip_input` does it with clips.
    """
    asked = clip_input(joints[:, None], image_size, framing, trunk, view, facing=facing)
    return Input(asked.image[:, 0], asked.axes)


def clip_input(
    clips: np.ndarray,  # [F, T, 17, 2] pixels
    image_size: tuple[int, int],
    framing: ChosenFraming,
    trunk: Trunk,
    view: View,
    *,
    facing: bool,
) -> Input:
    """The input of a network that is given clips of T frames, T odd.

    The camera of a clip turns once, to the person of the frame in the middle, so what moves before
    it moves in the clip.

    Networks that face the person take the slopes of the rays, at the studio's focal length, and
    turn by themselves; only to what is level must they be turned before. Of a camera of which
    nothing is known they take the ``person`` as standing in the middle of the image, as large as in
    the studio; then it does not matter where the image ends. The others take what
    :func:`examples.hgn_pose.lifting.framing.frame_clips` makes, by default of the person.

    Raises
    ------
    ValueError
        When a network that faces the person is to keep the image's framing, or to leave out what is
        known of the camera, or as ``frame_clips``.
    """
    if facing and (framing == "image" or (framing == "person" and view.known)):
        raise ValueError(
            f"framing = {framing} is for weights of one kind of camera; leave it out with weights "
            "that face the person"
        )
    if facing and framing == "person":
        middle = np.array([0, trunk.pelvis], np.float32)
        return Input(frame_clips(clips, image_size, "person", trunk) - middle, None)
    if not facing and not view.known:
        chosen: Framing = "person" if framing == "auto" else framing
        return Input(frame_clips(clips, image_size, chosen, trunk), None)
    slopes = view.slopes(clips)
    axes = None
    if view.down is not None or not facing:
        axes = view.axes(slopes[:, slopes.shape[1] // 2])
        slopes = turned(slopes.reshape(len(slopes), -1, 2), axes).reshape(clips.shape)
    if facing or framing == "image":
        return Input((FOCAL * slopes).astype(np.float32), axes)
    return Input(frame_clips(slopes, (1, 1), "person", trunk), axes)


def direction_down(pitch: float, roll: float) -> np.ndarray:  # [3]
    """Down in the axes of a camera that was tilted and rolled by so many degrees.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.viewing import direction_down
    >>> direction_down(90, 0).round(3).tolist(), direction_down(0, 90).round(3).tolist()
    ([0.0, 0.0, 1.0], [1.0, 0.0, 0.0])
    """
    p, r = np.deg2rad([pitch, roll])
    return np.array([np.sin(r) * np.cos(p), np.cos(r) * np.cos(p), np.sin(p)])


def undistorted(
    slopes: np.ndarray,  # [..., 2]
    distortions: tuple[float, ...],
) -> np.ndarray:  # [..., 2]
    """Slopes of the rays that a lens with errors showed as these, by fixed-point iteration."""
    if not any(distortions):
        return slopes
    k1, k2, p1, p2, k3 = distortions
    found = slopes.copy()
    for _ in range(20):
        x, y = found[..., 0], found[..., 1]
        square = x * x + y * y
        radial = 1 + square * (k1 + square * (k2 + square * k3))
        shift = np.stack(
            [
                2 * p1 * x * y + p2 * (square + 2 * x * x),
                p1 * (square + 2 * y * y) + 2 * p2 * x * y,
            ],
            axis=-1,
        )
        found = (slopes - shift) / radial[..., None]
    return found


def _from_file(path: Path, name: str | None) -> View:
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"it has more than {LARGEST_FILE} bytes, which no file of cameras has")
    text = path.read_text("utf-8-sig")
    content = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    if not isinstance(content, Mapping):
        raise ValueError("it holds no camera")
    camera = content if "matrix" in content else _chosen(content, name)
    matrix = _numbers(camera, "matrix", (3, 3))
    if not (matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise ValueError("the focal lengths in its matrix must be positive")
    distortions = _numbers(camera, "distortions", None) if "distortions" in camera else np.zeros(0)
    if len(distortions) > 5 or camera.get("fisheye"):
        raise ValueError("only lenses of at most five distortions, k1 k2 p1 p2 k3, are known")
    return View(
        focal=np.array([matrix[0, 0], matrix[1, 1]]),
        centre=matrix[:2, 2].copy(),
        known=True,
        down=_down(camera),
        distortions=(*distortions.tolist(), *[0.0] * (5 - len(distortions))),
    )


def _chosen(content: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    cameras = {
        key: value
        for key, value in content.items()
        if isinstance(value, Mapping) and "matrix" in value
    }
    if not cameras:
        raise ValueError("it holds no camera: no matrix is in it")
    if name is None and len(cameras) == 1:
        return next(iter(cameras.values()))
    if name not in cameras:
        known = ", ".join(sorted(cameras))
        raise ValueError(f"name one of its cameras with --camera-name: {known}")
    return cameras[name]


def _down(camera: Mapping[str, Any]) -> np.ndarray | None:
    """Down in the axes of the camera, from its rotation and the world's up, by default z."""
    if "rotation" not in camera:
        return None
    rotation = _numbers(camera, "rotation", None)
    if rotation.shape == (3,):
        angle = np.linalg.norm(rotation)
        x, y, z = rotation / max(angle, 1e-12)
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        rotation = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    unit = rotation.shape == (3, 3) and np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3)
    if not unit or np.linalg.det(rotation) < 0:
        raise ValueError("its rotation is neither a rotation matrix nor a rotation vector")
    up = _numbers(camera, "up", (3,)) if "up" in camera else np.array([0.0, 0.0, 1.0])
    down = -rotation @ up
    length = np.linalg.norm(down)
    if not length > 0:
        raise ValueError("its up is no direction")
    return down / length


def _numbers(camera: Mapping[str, Any], key: str, shape: tuple[int, ...] | None) -> np.ndarray:
    try:
        numbers = np.array(camera[key], np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"its {key} is {shown(camera[key])}, which is no array of numbers"
        ) from None
    if not np.isfinite(numbers).all() or (shape is not None and numbers.shape != shape):
        wanted = "finite numbers" if shape is None else f"{' x '.join(map(str, shape))} numbers"
        raise ValueError(f"its {key} must be {wanted}")
    return numbers
