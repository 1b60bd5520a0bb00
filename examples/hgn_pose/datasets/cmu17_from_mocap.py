"""Make the arrays of a cmu17.npz from a folder of CMU's motion capture files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from examples.hgn_pose.datasets.mocap import Capture, read_amc, read_asf, read_bvh
from examples.hgn_pose.datasets.plausible import check_skeleton
from examples.hgn_pose.datasets.readers.cmu17 import CMU17_JOINTS
from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.files.texts import read_text
from multiscale_gcn.checks.arguments import real_number

FPS = 40
CMU_UNIT = 0.0254 / 0.45
"""Metres in one unit of CMU's lengths, also in the BVH files that were made of them."""

LARGEST_NUMBER = 2**15 - 1
"""Of clips and performers, as the file holds them."""
FASTEST = 0.30
"""Metres that a joint may move from one frame to the next; more is a joint that flips over."""
SPINE_SLACK, NECK_SLACK = 0.05, 0.04
"""Metres by which hip to thorax, and thorax to top of the neck, may differ from the median."""
GIVEN_THORAX = "thorax given"
"""What the source of a clip says if its thorax had no length."""
BLEND = 4
"""Frames at the start of a BVH file that are a T-pose or blend out of it."""

_SIDES = {
    "asf": ("lhipjoint", "lfemur", "ltibia", "lclavicle", "lhumerus", "lradius"),
    "motionbuilder": ("LeftUpLeg", "LeftLeg", "LeftFoot", "LeftArm", "LeftForeArm", "LeftHand"),
    "daz": ("lThigh", "lShin", "lFoot", "lShldr", "lForeArm", "lHand"),
}
_TRUNK = {
    "asf": ("lowerback", "thorax", "upperneck", "head"),
    "motionbuilder": ("Spine", "Neck", "Head", "Head.end"),
    "daz": ("chest", "neck", "head", "head.end"),
}
"""Points of each naming: hip, knee, ankle, shoulder, elbow, wrist of the left side; spine, thorax,
top of the neck, head."""


def build(
    folder: Path,
    fps: float = 120.0,
    bvh_unit: float = CMU_UNIT,
    actions: Mapping[str, str] | None = None,
    *,
    thorax: float | None = None,
    progress: bool = False,
) -> tuple[dict[str, np.ndarray], int]:
    """The arrays of cmu17.npz from a folder of files, and how many frames were dropped.

    Parameters
    ----------
    folder : Path
        Searched through. Where a clip is there as AMC and as BVH, the AMC is read.
    fps : float
        Of the AMC files.
    bvh_unit : float
        Metres in one unit of the BVH files.
    actions : mapping of str to str, optional
        What is done in a clip, by the clip's name.
    thorax : float, optional
        Metres of the thorax in BVH files that lost it; by default as long as the bone below it.
    progress : bool
        Show a bar.

    Returns
    -------
    arrays : dict of str to array
        What :func:`examples.hgn_pose.datasets.readers.cmu17.load_cmu17` reads, and ``clip_source``.
    dropped : int

    Raises
    ------
    ValueError
        If there are no files, one is not usable, a rate is no multiple of 40 Hz, or the joints
        are no person in metres.

    Notes
    -----
    Some BVH conversions put all performers on one skeleton: their motion is right, their bones
    are not their own. MotionBuilder's loses the bone ``thorax``; ``clip_source`` says where it
    was given one, see :func:`examples.hgn_pose.datasets.mocap.read_bvh`.
    """
    real_number(fps, "fps", above=0)
    real_number(bvh_unit, "bvh_unit", above=0)
    if thorax is not None:
        real_number(thorax, "thorax", above=0)
    files = list(_files(folder))
    if not files:
        raise ValueError(
            f"there are no files PERFORMER_TAKE.amc or .bvh, such as 07_01.amc, in {folder}"
        )
    clips, sources, dropped = [], [], 0
    for name, path in tqdm(files, desc="clips", disable=None if progress else True):
        positions, source = _clip(path, fps, bvh_unit, thorax)
        check_skeleton(positions, str(path))
        good = steady(positions)
        dropped += int((~good).sum())
        if good.any():
            clips.append((name, path, positions[good]))
            sources.append(source)
    if not clips:
        raise ValueError(f"no frame of the files in {folder} is usable")
    names = [name for name, _, _ in clips]
    performers = [int(name.split("_")[0]) for name in names]
    if max(*performers, len(clips)) > LARGEST_NUMBER:
        raise ValueError(
            f"{folder} cannot be used: it has {len(clips)} clips and the performer "
            f"{max(performers)}, and both go up to {LARGEST_NUMBER}; number them from 1"
        )
    known = actions or {}
    return {
        "positions_3d": np.concatenate([positions for _, _, positions in clips]).astype(np.float32),
        "clip": np.repeat(np.arange(len(clips), dtype=np.int16), [len(p) for _, _, p in clips]),
        "clip_subject": np.array(performers, np.int16),
        "clip_name": np.array(names),
        "clip_action": np.array([known.get(name, "unknown") for name in names]),
        "clip_source": np.array(sources),
        "joints": np.array(CMU17_JOINTS),
        "fps": np.array(FPS),
    }, dropped


def read_clip(path: Path, fps: float, bvh_unit: float) -> np.ndarray:  # [T, 17, 3]
    """One clip at 40 Hz: world metres, z up, without the T-pose that conversions put first."""
    return _clip(path, fps, bvh_unit, None)[0]


def _clip(path: Path, fps: float, bvh_unit: float, thorax: float | None) -> tuple[np.ndarray, str]:
    """The same, and what it was read from."""
    source = "bvh" if path.suffix == ".bvh" else "asf/amc"
    if path.suffix == ".bvh":
        capture, unit = read_bvh(path, None if thorax is None else thorax / bvh_unit), bvh_unit
        source = f"bvh, {GIVEN_THORAX}" if capture.thorax_given else source
        start = BLEND if capture.at_rest[0] else 0
        rate = capture.fps or fps
    else:
        skeleton = read_asf(path.with_name(f"{path.stem.split('_')[0]}.asf"))
        capture, unit, start, rate = read_amc(path, skeleton), skeleton.metres, 0, fps
    step = round(rate / FPS)
    if step < 1 or abs(rate - step * FPS) > 0.02 * rate:
        raise ValueError(
            f"{path} has {rate:.4g} frames a second, which is no multiple of {FPS}; resample it, "
            "or leave it out"
        )
    positions = unit * seventeen(capture, str(path))[start::step]
    x, y, z = np.moveaxis(positions, -1, 0)
    return np.stack([x, -z, y], axis=-1), source


def seventeen(capture: Capture, where: str) -> np.ndarray:  # [T, 17, 3]
    """The 17 joints of a capture, in its own units and axes.

    Raises
    ------
    ValueError
        If its points have no known naming, or its thorax has no length.
    """
    points = capture.points
    for naming, left in _SIDES.items():
        right = tuple(_other_side(name) for name in left)
        trunk = _TRUNK[naming]
        if all(name in points for name in (*left, *right, *trunk)):
            break
    else:
        raise ValueError(
            f"{where} cannot be used: its bones are {', '.join(points)}; expected the names of "
            f"CMU's ASF files ({', '.join(_SIDES['asf'] + _TRUNK['asf'])}, and those of the right)"
        )
    if naming == "motionbuilder":
        thorax = np.linalg.norm(points["Neck"] - points["Spine1"], axis=1).max()
        shin = np.linalg.norm(points["LeftLeg"] - points["LeftFoot"], axis=1).max()
        if thorax < 0.001 * shin:
            raise ValueError(
                f"{where} cannot be used: the bone 'thorax' has no length in it, as in "
                "MotionBuilder's conversion, nor has the bone below it; give --thorax METRES, or "
                "use the ASF/AMC files"
            )
    legs_and_arms = {
        "L": [points[name] for name in left],
        "R": [points[name] for name in right],
    }
    hip = (legs_and_arms["L"][0] + legs_and_arms["R"][0]) / 2
    ordered = [
        hip,
        *legs_and_arms["R"][:3],
        *legs_and_arms["L"][:3],
        *(points[name] for name in trunk),
        *legs_and_arms["L"][3:],
        *legs_and_arms["R"][3:],
    ]
    return np.stack(ordered, axis=1)


def steady(
    positions: np.ndarray,  # [T, 17, 3]
) -> np.ndarray:  # [T] bool
    """Frames in which no joint has just leapt, and spine and neck have their length."""
    leap = np.linalg.norm(np.diff(positions, axis=0, prepend=positions[:1]), axis=-1).max(axis=1)
    good = leap <= FASTEST
    at = CMU17_JOINTS.index
    for first, second, slack in (("Hip", "Thorax", SPINE_SLACK), ("Thorax", "Nose", NECK_SLACK)):
        length = np.linalg.norm(positions[:, at(first)] - positions[:, at(second)], axis=-1)
        good &= np.abs(length - np.median(length)) <= slack
    return good


def read_actions(path: Path | None) -> dict[str, str]:
    """Clip and action, line by line.

    Raises
    ------
    ValueError
        If the file is missing or a line has not two columns.
    """
    if path is None:
        return {}
    actions = {}
    with reading(path, "give lines CLIP,ACTION"):
        for number, row in enumerate(csv.reader(io.StringIO(read_text(path), newline="")), start=1):
            if len(row) != 2:
                raise ValueError(f"{path}, line {number}: {len(row)} columns, expected CLIP,ACTION")
            actions[row[0].strip()] = row[1].strip()
    return actions


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of each clip, by performer and take; AMC before BVH."""
    found: dict[str, Path] = {}
    for suffix in (".amc", ".bvh"):
        for path in sorted(folder.rglob(f"*{suffix}")):
            if re.fullmatch(r"\d+_\d+", path.stem):
                found.setdefault(path.stem, path)
    return iter(sorted(found.items(), key=lambda item: [int(n) for n in item[0].split("_")]))


def _other_side(name: str) -> str:
    if name.startswith("Left"):
        return name.replace("Left", "Right", 1)
    return "r" + name[1:]
