"""Read, check, map and fill the 2D joints of one person."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from examples.hgn_pose.files.reading import reading
from examples.hgn_pose.lifting.checks import Units, check, to_pixels
from examples.hgn_pose.lifting.conventions import CONVENTIONS
from examples.hgn_pose.lifting.detections import Detections
from examples.hgn_pose.lifting.gaps import Track, fill, mark_repaired
from examples.hgn_pose.lifting.keypoint_files import read_keypoints
from examples.hgn_pose.lifting.mapping import Trunk, to_skeleton
from examples.hgn_pose.lifting.over_time.repair import repair
from examples.hgn_pose.lifting.people import choose

if TYPE_CHECKING:
    ConventionName = str
    ConventionOrAuto = str
else:
    ConventionName = tyro.extras.literal_type_from_choices(CONVENTIONS)
    ConventionOrAuto = tyro.extras.literal_type_from_choices(("auto", *CONVENTIONS))


@dataclass(frozen=True)
class KeypointOptions:
    """How to read the 2D joints of one person."""

    image_size: tuple[int, int] | None = None
    """Width and height of the image in pixels, if the file does not say."""
    convention: ConventionOrAuto = "auto"
    """Which joints the file holds; auto: only if names or the lengths of bones leave no doubt."""
    units: Units = "auto"
    """normalised: coordinates are shares of the image; signed: they go from -1 to 1 over it; auto:
    they are shares for MediaPipe and where the file says it, else pixels."""
    person: str | None = None
    """Whom to take if the file shows several: an id, largest, confident, or all."""
    ignore_ids: bool = False
    """Do not believe who is who in the file; link people from frame to frame by their motion."""
    video: str | None = None
    """Which video to take if the file holds several."""
    fps: float | None = None
    """Frames per second, if the file does not say; 25 if nothing does."""
    threshold: float = 0.3
    """Joints of less confidence count as not seen."""
    max_gap: int = 10
    """Interpolate a joint in time over up to so many frames."""
    min_joints: int = 12
    """Of the 17 joints, after that; the others are taken from views that look alike."""
    drop_frames: bool = False
    """Leave out frames with fewer joints, instead of refusing the file."""
    repair: bool = True
    """In a clip, put right joints that jump away and sides that are confused for some frames."""
    check: bool = True
    """Refuse keypoints that look upside down, crossed, outside of the image or misnamed."""

    def validate(self) -> None:
        """Refuse options that make no sense."""
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must lie between 0 and 1, got {self.threshold}")
        if self.max_gap < 0:
            raise ValueError(f"max_gap must not be negative, got {self.max_gap}")
        if not 2 <= self.min_joints <= 17:
            raise ValueError(f"min_joints must lie between 2 and 17, got {self.min_joints}")
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise ValueError(f"fps must be positive and finite, got {self.fps}")
        if self.image_size is not None and min(self.image_size) < 1:
            raise ValueError(f"image_size must be positive, got {self.image_size}")


@dataclass(frozen=True, eq=False)
class Person:
    """What was read of one person."""

    track: Track
    image_size: tuple[int, int]
    fps: float
    facts: dict[str, object]
    clip: bool = False
    """Whether the frames are of one movement."""
    decided: tuple[str, ...] = ()
    """What was left out, taken for granted or repaired, and who was left out."""
    number: int = 0
    """Among all who were chosen, those included who cannot be lifted."""


def read_people(path: Path, options: KeypointOptions, trunk: Trunk) -> list[Person]:
    """Read, check, map to 17 joints, repair and fill: all that comes before the network.

    Parameters
    ----------
    path : Path
        File or folder of a detector.
    options : KeypointOptions
    trunk : Trunk
        Of the motion that the network was trained on.

    Raises
    ------
    FileNotFoundError
        If there is nothing at the path.
    ValueError
        Whatever is wrong with the file, and what to do. Of several people those alone are left out
        who cannot be lifted, and it is noted why.
    """
    options.validate()
    with reading(path, "give what a pose detector wrote"):
        return _people(path, options, trunk)


def read_person(path: Path, options: KeypointOptions, trunk: Trunk) -> Person:
    """The only person, as :func:`read_people` reads them."""
    (person,) = read_people(path, options, trunk)
    return person


def _people(path: Path, options: KeypointOptions, trunk: Trunk) -> list[Person]:
    found = read_keypoints(path, options.video)
    if not (found.confidence >= max(options.threshold, 1e-9)).any():
        raise ValueError(
            f"{path}: no joint reaches the confidence {options.threshold:g}; lower --threshold"
        )
    size = options.image_size or found.image_size
    if size is None:
        raise ValueError(
            f"{path} does not say how large the image is; give --image-size WIDTH HEIGHT"
        )
    found = found.in_convention(options.convention, options.threshold)
    found = to_pixels(found, size, options.threshold, options.units)
    if options.ignore_ids:
        found = replace(found, person=(None,) * len(found))
    chosen = choose(found, options.person, options.max_gap)
    people, refused = [], []
    for number, one in enumerate(chosen.people):
        try:
            people.append(replace(_person(one, size, path, options, trunk), number=number))
        except ValueError as error:
            if len(chosen.people) == 1:
                raise
            refused.append(f"left out person {one.person[0]}: {error}")
    if not people:
        raise ValueError(f"{path}: nobody can be lifted; {'; '.join(refused)}")
    notes = (*found.notes, *chosen.notes, *refused)
    return [replace(person, decided=(*notes, *person.decided)) for person in people]


def _person(
    found: Detections, size: tuple[int, int], path: Path, options: KeypointOptions, trunk: Trunk
) -> Person:
    if options.check:
        check(found, size, options.threshold)
    convention = str(found.convention)
    joints, sure = to_skeleton(found.points, found.confidence, convention, trunk, options.threshold)
    repaired = repair(found.frame, joints, sure, mend=options.repair)
    track = fill(
        found.frame,
        repaired.joints,
        repaired.confidence,
        max_gap=options.max_gap,
        min_joints=options.min_joints,
        drop=options.drop_frames,
    )
    track = mark_repaired(track, found.frame, repaired.outlier)
    facts: dict[str, object] = {
        "keypoints": path.name,
        "convention": convention,
        "person": found.person[0],
    }
    decided = repaired.report()
    if decided:
        facts["repaired"] = decided
    fps = options.fps or found.fps or 25.0
    return Person(track, size, fps, facts, repaired.clip, tuple(decided))
