"""The joints that pose detectors find: a table with a row for each family of detectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from examples.hgn_pose.body.skeleton import EDGES, JOINTS

Edges = tuple[tuple[int, int], ...]
NO_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@dataclass(frozen=True)
class Convention:
    """What one family of detectors calls its joints, and in which order.

    Parameters
    ----------
    title : str
        For people.
    points : tuple of str, length K
        Names in the order of the file. The same name means the same place in every convention
        but ``skeleton17``.
    written_by : str
        The tools and files that have it, for the docs.
    normalised : bool
        Whether coordinates are shares of the image's width and height instead of pixels.
    names : mapping of str to tuple of str
        For points that the tools of this convention call otherwise: their names there, the best
        first. What all agree on stands in
        :data:`examples.hgn_pose.lifting.joint_names.SYNONYMS`.
    doubtful : tuple of str
        Names of a file that together leave a doubt, as others mean other places by them.
    edges : tuple of pairs of int, optional
        Bones between points; by default those of ``BONES`` whose ends are there.
    """

    title: str
    points: tuple[str, ...]
    written_by: str = ""
    normalised: bool = False
    names: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: NO_NAMES)
    doubtful: tuple[str, ...] = ()
    edges: Edges = ()

    def __post_init__(self) -> None:
        if not self.edges:
            place = {name: row for row, name in enumerate(self.points)}
            bones = [bone for bone in BONES if set(bone) <= set(place)]
            object.__setattr__(self, "edges", tuple((place[a], place[b]) for a, b in bones))

    def index(self, name: str) -> int:
        """Place of a point in the order of the file."""
        return self.points.index(name)


SIDES = ("left", "right")
BONES = (
    *((f"{side}_{a}", f"{side}_{b}") for side in SIDES for a, b in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"),
        ("shoulder", "hip"), ("eye", "ear"),
        ("ankle", "heel"), ("ankle", "big_toe"), ("big_toe", "small_toe"),
        ("wrist", "pinky"), ("wrist", "index"), ("wrist", "thumb"), ("pinky", "index"),
    )),
    ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"),
    ("nose", "left_eye"), ("nose", "right_eye"), ("left_mouth", "right_mouth"),
    ("upper_neck", "crown"),
)  # fmt: skip
"""By the names of the points at their ends."""


def _pairs(*joints: str) -> tuple[str, ...]:
    """Left before right, joint by joint."""
    return tuple(f"{side}_{joint}" for joint in joints for side in SIDES)


def _right_side_first(*joints: str) -> tuple[str, ...]:
    return tuple(f"{side}_{joint}" for side in reversed(SIDES) for joint in joints)


def _numbered(name: str, count: int, first: int = 0) -> tuple[str, ...]:
    return tuple(f"{name}{number}" for number in range(first, first + count))


ARM, LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")
_COCO = ("nose", *_pairs("eye", "ear", *ARM, *LEG))
_FEET = ("left_big_toe", "left_small_toe", "left_heel",
         "right_big_toe", "right_small_toe", "right_heel")  # fmt: skip
_HALPE = (*_COCO, "crown", "neck", "pelvis", *_pairs("big_toe", "small_toe", "heel"))
_HANDS = tuple(
    f"{side}_{part}"
    for side in SIDES
    for part in (
        "hand_root",
        *(_finger for name in ("thumb", "forefinger", "middle_finger", "ring_finger",
                               "pinky_finger") for _finger in _numbered(name, 4, first=1)),
    )
)  # fmt: skip
_HEAD = {"crown": ("crown", "head")}
_HUMAN36M = tuple(
    {"nose": "nose", "head": "crown"}.get(name, name)
    for name in (joint.replace("R_", "right_").replace("L_", "left_").lower() for joint in JOINTS)
)

CONVENTIONS = {
    "coco17": Convention(
        "COCO",
        _COCO,
        "COCO, MMPose, AlphaPose, Detectron2, Ultralytics, MoveNet, ViTPose, VideoPose3D",
    ),
    "halpe26": Convention(
        "HALPE, body and feet", _HALPE, "AlphaPose, Pose2Sim, RTMPose", names=_HEAD
    ),
    "halpe136": Convention(
        "HALPE with face and hands",
        (*_HALPE, *_numbered("face_", 68), *_HANDS),
        "AlphaPose",
        names=_HEAD,
    ),
    "wholebody133": Convention(
        "COCO-WholeBody",
        (*_COCO, *_FEET, *_numbered("face_", 68), *_HANDS),
        "MMPose, RTMW, DWPose, AlphaPose",
    ),
    "openpose18": Convention(
        "OpenPose COCO",
        ("nose", "neck", *_right_side_first(*ARM), *_right_side_first(*LEG),
         "right_eye", "left_eye", "right_ear", "left_ear"),
        "OpenPose, ControlNet's annotators",
    ),
    "body25": Convention(
        "OpenPose BODY_25",
        ("nose", "neck", *_right_side_first(*ARM), "pelvis", *_right_side_first(*LEG),
         "right_eye", "left_eye", "right_ear", "left_ear", *_FEET),
        "OpenPose",
    ),
    "body25b": Convention(
        "OpenPose BODY_25B", (*_COCO, "upper_neck", "crown", *_FEET), "OpenPose's train models"
    ),
    "mediapipe33": Convention(
        "MediaPipe Pose",
        (
            "nose",
            *(f"{side}_{eye}" for side in SIDES for eye in ("eye_inner", "eye", "eye_outer")),
            *_pairs("ear", "mouth", *ARM, "pinky", "index", "thumb", *LEG, "heel", "big_toe"),
        ),
        "MediaPipe, BlazePose",
        normalised=True,
    ),
    "mpii16": Convention(
        "MPII",
        (*(f"right_{joint}" for joint in reversed(LEG)), *(f"left_{joint}" for joint in LEG),
         "pelvis", "neck", "upper_neck", "crown",
         *(f"right_{joint}" for joint in reversed(ARM)), *(f"left_{joint}" for joint in ARM)),
        "MPII, MMPose, stacked hourglasses",
    ),
    "human36m17": Convention(
        "Human3.6M: nose and top of the head",
        _HUMAN36M,
        "MMPose, VideoPose3D, H36M",
        names={
            **_HEAD,
            "neck": ("thorax", "neck"),
            "nose": ("nose", "neck_base", "neck"),
            "right_ankle": ("right_ankle", "right_foot"),
            "left_ankle": ("left_ankle", "left_foot"),
        },
        doubtful=("nose", "head"),
        edges=EDGES,
    ),
    "skeleton17": Convention(
        "the joints of the motion trained on", JOINTS, "this example", doubtful=JOINTS, edges=EDGES
    ),
}  # fmt: skip
"""By the name that the command line takes.

``human36m17`` has the nose and the top of the head as Human3.6M has them. ``skeleton17`` has
whatever the motion has that the network was trained on: in cmu17 its ``Nose`` is the top of the
neck and its ``Head`` the middle of the skull.
"""


def conventions_with(count: int) -> list[str]:
    """Names of the conventions that have so many joints.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.conventions import conventions_with
    >>> conventions_with(33), conventions_with(25), conventions_with(19)
    (['mediapipe33'], ['body25', 'body25b'], [])
    """
    return [name for name, known in CONVENTIONS.items() if len(known.points) == count]


def markdown_table() -> str:
    """The conventions as a table in Markdown, for the docs.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.conventions import markdown_table
    >>> print(markdown_table().splitlines()[2])
    | `coco17` | COCO | 17 | COCO, MMPose, AlphaPose, Detectron2, Ultralytics, MoveNet, ViTPose, \
VideoPose3D |
    """
    rows = [("`--convention`", "what", "joints", "written by"), ("---", "---", "--:", "---")]
    rows += [
        (f"`{name}`", known.title, str(len(known.points)), known.written_by)
        for name, known in CONVENTIONS.items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
