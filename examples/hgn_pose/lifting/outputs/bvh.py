"""BVH: a skeleton and its motion, for Blender, Maya, MotionBuilder and others."""

from __future__ import annotations

import io

import numpy as np
from scipy.spatial.transform import Rotation

from examples.hgn_pose.lifting.outputs.body_clip import BodyClip
from examples.hgn_pose.lifting.outputs.rig import Rig, rig_of

ORDER = "ZXY"
"""Of the turns of a bone, each about the axis that the one before it has turned."""


def bvh(clip: BodyClip) -> bytes:
    """All bones of the body, y up, metres; the person looks along z at rest."""
    rig = rig_of(clip)
    text = io.StringIO()
    text.write("HIERARCHY\n")
    _write_bone(text, rig, 0, 0)
    seconds = clip.seconds
    step = float(np.median(np.diff(seconds))) if len(clip) > 1 else 1 / clip.prediction.fps
    text.write(f"MOTION\nFrames: {len(clip)}\nFrame Time: {step:.8f}\n")
    np.savetxt(text, _channels(rig), fmt="%.6f")
    return text.getvalue().encode()


def _channels(rig: Rig) -> np.ndarray:  # [T, 3 + 3 J]
    """Root position, then the angles of every bone in degrees, in the order of the file."""
    order = _depth_first(rig)
    frames = len(rig.root)
    turns = rig.turns[:, order].reshape(-1, 3, 3)
    angles = Rotation.from_matrix(turns).as_euler(ORDER).reshape(frames, -1)
    angles = np.degrees(np.unwrap(angles, axis=0))
    return np.concatenate([rig.root, angles], axis=1)


def _depth_first(rig: Rig) -> list[int]:
    order: list[int] = []

    def visit(bone: int) -> None:
        order.append(bone)
        for child in np.flatnonzero(rig.parents == bone):
            visit(int(child))

    visit(0)
    return order


def _write_bone(text: io.StringIO, rig: Rig, bone: int, depth: int) -> None:
    tab = "  " * depth
    kind = "JOINT" if depth else "ROOT"
    offset = rig.offsets[bone] if depth else np.zeros(3)
    place = "Xposition Yposition Zposition " if not depth else ""
    count = 3 if depth else 6
    turns = " ".join(f"{axis}rotation" for axis in ORDER)
    text.write(f"{tab}{kind} {rig.names[bone]}\n{tab}{{\n{tab}  OFFSET {_numbers(offset)}\n")
    text.write(f"{tab}  CHANNELS {count} {place}{turns}\n")
    children = np.flatnonzero(rig.parents == bone)
    for child in children:
        _write_bone(text, rig, int(child), depth + 1)
    if not len(children):
        end = _numbers(_tip(rig, bone))
        text.write(f"{tab}  End Site\n{tab}  {{\n{tab}    OFFSET {end}\n{tab}  }}\n")
    text.write(f"{tab}}}\n")


def _tip(rig: Rig, bone: int) -> np.ndarray:
    """The end of a last bone: as long as the bone before it, in that one's direction."""
    return rig.offsets[bone]


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.6f}" for value in values)
