"""Joint positions from motion capture files: Acclaim's ASF/AMC, and BVH.

Both describe a tree of bones and, frame by frame, the angles by which the bones turn. A bone of an
ASF file turns about axes of its own: with C from the file's ``axis`` and M from the angles, x
first, its frame is that of its parent times C M C^-1, and it reaches from the end of its parent
along its ``direction``. A joint of a BVH file is shifted by its offset and then turns about the
axes of its parent in the order of its channels.
"""

from __future__ import annotations

import math
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from examples.hgn_pose.files.reading import reading
from multiscale_gcn.checks.arguments import real_number, shown

AXES = {"x": 0, "y": 1, "z": 2}
STILL_BONES = 4
"""Bones to each number of a frame, at most; those of people have about as many as numbers."""


@dataclass(frozen=True, eq=False)
class Capture:
    """World positions of named points, in the units of the file, y up.

    Parameters
    ----------
    points : dict of str to array of float64, shape (T, 3)
        For ASF/AMC the end of each bone, and ``root``; for BVH the start of each joint, and of
        its end site as ``NAME.end``.
    fps : float or None
        Frames per second, if the file says it.
    at_rest : array of bool, shape (T,)
        Frames in which nothing turns: the T-pose that some conversions put first.
    """

    points: dict[str, np.ndarray]
    fps: float | None
    at_rest: np.ndarray
    thorax_given: bool = False
    """Whether the thorax had no length in the file and was given one."""


@dataclass
class Bone:
    """A bone of an ASF file."""

    name: str
    direction: np.ndarray = field(default_factory=lambda: np.zeros(3))
    length: float = 0.0
    axis: Rotation = field(default_factory=Rotation.identity)
    turns: tuple[str, ...] = ()
    parent: str = ""


@dataclass(frozen=True, eq=False)
class Skeleton:
    """What an ASF file says.

    Parameters
    ----------
    bones : dict of str to Bone
        Parents before children; the first is ``root``, whose ``turns`` hold its six channels.
    length_unit : float
        Of ``:units``: lengths in the file are inches times this number.
    degrees : bool
        Whether angles are in degrees.
    """

    bones: dict[str, Bone]
    length_unit: float
    degrees: bool

    @property
    def metres(self) -> float:
        """Metres in one unit of the file's lengths; 0.0254 / 0.45 for CMU."""
        return 0.0254 / self.length_unit


def read_asf(path: str | Path) -> Skeleton:
    """Read an Acclaim skeleton.

    Raises
    ------
    ValueError
        If the file is missing, or is no ASF file; names the line or the bone.
    """
    path = Path(path)
    with reading(path, "give the ASF file as CMU has it"):
        return _skeleton(path)


def _skeleton(path: Path) -> Skeleton:
    sections = _sections(path)
    for name in ("root", "bonedata", "hierarchy"):
        if name not in sections:
            raise ValueError(f"{path} cannot be used: it has no section :{name}")
    units = dict(words[:2] for words in sections.get("units", []) if len(words) >= 2)
    degrees = units.get("angle", "deg").startswith("deg")
    bones = {"root": _root(sections["root"], degrees)}
    for bone in _bones(sections["bonedata"], degrees):
        if bone.name in bones:
            raise ValueError(f"it has two bones {bone.name!r}")
        bones[bone.name] = bone
    ordered = {"root": bones["root"]}
    for parent, *children in sections["hierarchy"]:
        if parent in ("begin", "end"):
            continue
        if parent not in ordered:
            raise ValueError(f"the hierarchy names {parent!r} before its parent")
        for child in children:
            if child in ordered:
                raise ValueError(f"the hierarchy names {child!r} twice")
            bones[child].parent = parent
            ordered[child] = bones[child]
    _check_moving(len(ordered), sum(len(bone.turns) for bone in ordered.values()))
    unit = real_number(_finite(units.get("length", "1")), "length", above=0)
    return Skeleton(ordered, unit, degrees)


def read_amc(path: str | Path, skeleton: Skeleton) -> Capture:
    """Read Acclaim motion of a skeleton, and pose the skeleton.

    Parameters
    ----------
    path : str or Path
    skeleton : Skeleton
        Of the same performer.

    Raises
    ------
    ValueError
        If the file is missing or cut off, or moves a bone that the skeleton lacks.
    """
    path = Path(path)
    with reading(path, "give the AMC file as CMU has it"):
        return _moved(path, skeleton)


def _moved(path: Path, skeleton: Skeleton) -> Capture:
    moved = {name: bone for name, bone in skeleton.bones.items() if bone.turns}
    rows: dict[str, list[list[float]]] = {name: [] for name in moved}
    frames = 0
    for number, line in enumerate(_lines(path), start=1):
        words = line.split()
        if not words or line[0] in "#:":
            continue
        if len(words) == 1 and words[0].isdigit():
            frames += 1
            continue
        name, *values = words
        if name not in moved or len(values) != len(moved[name].turns):
            expected = f"{len(moved[name].turns)} numbers" if name in moved else "no such bone"
            raise ValueError(
                f"{path}, line {number}: {len(values)} numbers for {name}; the skeleton has "
                f"{expected}"
            )
        try:
            rows[name].append([_finite(value) for value in values])
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    if not frames:
        raise ValueError(f"{path} cannot be used: it has no frames")
    for name, values_of in rows.items():
        if len(values_of) != frames:
            raise ValueError(
                f"{path} cannot be used: {name} has {len(values_of)} of {frames} frames; the file "
                "is cut off"
            )
    return _posed(skeleton, {name: np.array(values) for name, values in rows.items()}, frames)


def read_bvh(path: str | Path, thorax: float | None = None) -> Capture:
    """Read a BVH file and pose its skeleton.

    MotionBuilder's conversion of CMU's files loses the bone from the joint ``Spine1`` to neck and
    shoulders. Where it has no length, it gets one along the bone below it, ``Spine1`` to ``Spine``.

    Parameters
    ----------
    path : str or Path
    thorax : float, optional
        The length of that bone, in units of the file; by default as long as the bone below it,
        which in CMU's skeletons is its like.

    Raises
    ------
    ValueError
        If the file is missing, cut off or no BVH file.
    """
    path = Path(path)
    with reading(path, "give a whole BVH file"):
        return _hierarchy_moved(path, thorax)


def _hierarchy_moved(path: Path, thorax: float | None) -> Capture:
    text = "\n".join(_lines(path))
    head, mark, tail = text.partition("MOTION")
    if not head.lstrip().startswith("HIERARCHY") or not mark:
        raise ValueError(f"{path} cannot be used: it is no BVH file, or has no MOTION")
    joints = _bvh_joints(head, path)
    given = _give_thorax(joints, thorax)
    found = re.match(r"\s*Frames:\s*(\d+)\s*Frame Time:\s*(\S+)\s*", tail)
    if not found:
        raise ValueError(f"{path} cannot be used: MOTION lacks 'Frames:' or 'Frame Time:'")
    frames, seconds = int(found[1]), real_number(_finite(found[2]), "Frame Time", above=0)
    channels = sum(len(joint.channels) for joint in joints)
    _check_moving(len(joints), channels)
    numbers = np.array([_finite(word) for word in tail[found.end() :].split()])
    if numbers.size != frames * channels or not frames:
        raise ValueError(
            f"{path} cannot be used: {shown(frames)} frames of {channels} channels need "
            f"{shown(frames * channels)} numbers, it has {numbers.size}; the file is cut off"
        )
    values = numbers.reshape(frames, channels)
    world: dict[str, tuple[np.ndarray, Rotation]] = {}
    at_rest = np.ones(frames, dtype=bool)
    column = 0
    for joint in joints:
        shift = np.tile(joint.offset, (frames, 1))
        turn = Rotation.identity(frames)
        for channel in joint.channels:
            axis, now = AXES[channel[0].lower()], values[:, column]
            column += 1
            if channel.lower().endswith("position"):
                shift[:, axis] = now  # replaces the offset
            else:
                turn = turn * Rotation.from_rotvec(np.radians(now)[:, None] * np.eye(3)[axis])
                at_rest &= np.abs(now) < 1e-3
        if joint.parent:
            position, frame = world[joint.parent]
            world[joint.name] = position + frame.apply(shift), frame * turn
        else:
            world[joint.name] = shift, turn
    points = {name: position for name, (position, _) in world.items()}
    return Capture(points, 1 / seconds, at_rest, given)


@dataclass
class _BvhJoint:
    name: str
    parent: str
    offset: np.ndarray
    channels: list[str]


def _give_thorax(joints: list[_BvhJoint], length: float | None) -> bool:
    """Move what stands on ``Spine1`` itself, if the neck does."""
    chest = next((joint for joint in joints if joint.name == "Spine1"), None)
    if chest is None:
        return False
    below = float(np.linalg.norm(chest.offset))
    hanging = [
        joint
        for joint in joints
        if joint.parent == "Spine1"
        and np.linalg.norm(joint.offset) <= 0.001 * (below or 1)
        and not any(channel.lower().endswith("position") for channel in joint.channels)
    ]
    if "Neck" not in {joint.name for joint in hanging} or (length is None and not below):
        return False
    along = chest.offset / below if below else np.array([0.0, 1.0, 0.0])
    for joint in hanging:
        joint.offset = joint.offset + along * (below if length is None else length)
    return True


def _bvh_joints(head: str, path: Path) -> list[_BvhJoint]:
    """In the order of the file, end sites included."""
    words = iter(head.split()[1:])
    joints: list[_BvhJoint] = []
    open_: list[_BvhJoint] = []
    named: set[str] = set()
    try:
        for word in words:
            if word in ("ROOT", "JOINT", "End"):
                name, parent = next(words), open_[-1].name if open_ else ""
                if word == "End":
                    name = f"{parent}.end"
                elif name in named:
                    raise ValueError(f"there are two joints {name!r}")
                named.add(name)
                joints.append(_BvhJoint(name, parent, np.zeros(3), []))
            elif word == "{":
                open_.append(joints[-1])
            elif word == "}":
                open_.pop()
            elif word == "OFFSET":
                open_[-1].offset = np.array([_finite(next(words)) for _ in range(3)])
            elif word == "CHANNELS":
                open_[-1].channels = [next(words) for _ in range(int(next(words)))]
            else:
                raise ValueError(f"{word!r} has no meaning there")
        if open_:
            raise ValueError(f"{open_[-1].name} is not closed")
        bad = [c for j in joints for c in j.channels if c[:1].lower() not in AXES]
        if bad or not joints:
            raise ValueError(f"channel {bad[0]!r} is unknown" if bad else "there is no ROOT")
    except (StopIteration, IndexError, ValueError) as error:
        raise ValueError(f"{path} cannot be used: its hierarchy is broken: {error}") from error
    return joints


def _posed(skeleton: Skeleton, values: dict[str, np.ndarray], frames: int) -> Capture:
    points: dict[str, np.ndarray] = {}
    world: dict[str, Rotation] = {}
    at_rest = np.ones(frames, dtype=bool)
    for name, bone in skeleton.bones.items():
        turn = Rotation.identity(frames)
        shift = np.zeros((frames, 3))
        for column, channel in enumerate(bone.turns):
            now = values[name][:, column]
            axis = AXES[channel[1].lower()]
            if channel[0].lower() == "t":
                shift[:, axis] = now
                continue
            angle = np.radians(now) if skeleton.degrees else now
            turn = Rotation.from_rotvec(angle[:, None] * np.eye(3)[axis]) * turn
            at_rest &= np.abs(angle) < 1e-5
        local = bone.axis * turn * bone.axis.inv()
        if not bone.parent:
            points[name], world[name] = shift, local
            continue
        world[name] = world[bone.parent] * local
        reach = np.tile(bone.length * bone.direction, (frames, 1))
        points[name] = points[bone.parent] + world[name].apply(reach)
    return Capture(points, None, at_rest)


def _root(lines: list[list[str]], degrees: bool) -> Bone:
    stored = {words[0]: words[1:] for words in lines}
    order = tuple(stored.get("order", ["TX", "TY", "TZ", "RX", "RY", "RZ"]))
    angles = [_finite(value) for value in stored.get("orientation", ["0", "0", "0"])]
    axis = "".join(stored.get("axis", ["XYZ"]))
    return Bone("root", axis=Rotation.from_euler(axis.lower(), angles, degrees), turns=order)


def _bones(lines: list[list[str]], degrees: bool) -> Iterator[Bone]:
    bone: Bone | None = None
    for key, *values in lines:
        if key == "begin":
            bone = Bone("")
        elif key == "end" and bone is not None:
            yield bone
            bone = None
        elif bone is not None and key == "name":
            bone.name = values[0]
        elif bone is not None and key == "direction":
            bone.direction = np.array([_finite(value) for value in values[:3]])
        elif bone is not None and key == "length":
            bone.length = _finite(values[0])
        elif bone is not None and key == "axis":
            angles = [_finite(value) for value in values[:3]]
            bone.axis = Rotation.from_euler(values[3].lower(), angles, degrees)
        elif bone is not None and key == "dof":
            bone.turns = tuple(values)


def _sections(path: Path) -> dict[str, list[list[str]]]:
    sections: dict[str, list[list[str]]] = {}
    name = ""
    for line in _lines(path):
        words = line.split("#")[0].split()
        if words and words[0].startswith(":"):
            name = words[0][1:].lower()
            sections[name] = []
        elif words and name:
            sections[name].append(words)
    return sections


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path.read_bytes().removeprefix(BOM_UTF8).decode("latin-1").splitlines()


def _finite(word: str) -> float:
    number = float(word)
    if not math.isfinite(number):
        raise ValueError(f"{word!r} is no finite number")
    return number


def _check_moving(bones: int, numbers: int) -> None:
    """Refuse skeletons that need much room for every frame, and fill little of it."""
    if bones > STILL_BONES * numbers:
        raise ValueError(f"its {bones} bones have {numbers} channels together; no person is so")
