"""The joints that pose detectors find: their names, order and bones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from examples.hgn_pose.body.skeleton import EDGES, JOINTS

Edges = tuple[tuple[int, int], ...]

_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_LIMBS = tuple(
    f"{side}_{joint}"
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
)
_BONES = (
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"),
        ("shoulder", "hip"), ("eye", "ear"),
    )),
    ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"),
    ("nose", "left_eye"), ("nose", "right_eye"),
)  # fmt: skip


@dataclass(frozen=True)
class Convention:
    """What one family of detectors calls its joints, and in which order.

    Parameters
    ----------
    title : str
        For messages.
    points : tuple of str, length K
        Names in the order of the file. The same name means the same place in every convention
        but ``skeleton17``.
    edges : tuple of pairs of int
        Bones between points.
    normalised : bool
        Whether coordinates are shares of the image's width and height instead of pixels.
    """

    title: str
    points: tuple[str, ...]
    edges: Edges
    normalised: bool = False

    def index(self, name: str) -> int:
        """Place of a point in the order of the file."""
        return self.points.index(name)


def _convention(
    title: str, points: Sequence[str], more: Sequence[tuple[str, str]] = (), **options: bool
) -> Convention:
    names = tuple(points)
    bones = [bone for bone in (*_BONES, *more) if set(bone) <= set(names)]
    edges = tuple((names.index(a), names.index(b)) for a, b in bones)
    return Convention(title, names, edges, **options)


_RIGHT_FIRST = tuple(name.replace("R_", "right_").replace("L_", "left_").lower() for name in JOINTS)

CONVENTIONS = {
    "coco17": _convention("COCO, 17 joints", (*_FACE, *_LIMBS)),
    "body25": _convention(
        "OpenPose BODY_25",
        (
            "nose", "neck", "right_shoulder", "right_elbow", "right_wrist",
            "left_shoulder", "left_elbow", "left_wrist", "pelvis",
            "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
            "right_eye", "left_eye", "right_ear", "left_ear",
            "left_big_toe", "left_small_toe", "left_heel",
            "right_big_toe", "right_small_toe", "right_heel",
        ),
        [
            (f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (
                ("ankle", "heel"), ("ankle", "big_toe"), ("big_toe", "small_toe"),
            )
        ],
    ),
    "mediapipe33": _convention(
        "MediaPipe Pose, 33 landmarks",
        (
            "nose",
            *(f"{side}_{eye}" for side in ("left", "right")
              for eye in ("eye_inner", "eye", "eye_outer")),
            "left_ear", "right_ear", "left_mouth", "right_mouth",
            *_LIMBS[:6],
            *(f"{side}_{finger}" for finger in ("pinky", "index", "thumb")
              for side in ("left", "right")),
            *_LIMBS[6:],
            "left_heel", "right_heel", "left_big_toe", "right_big_toe",
        ),
        [
            ("left_mouth", "right_mouth"),
            *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (
                ("wrist", "pinky"), ("wrist", "index"), ("wrist", "thumb"), ("pinky", "index"),
                ("ankle", "heel"), ("ankle", "big_toe"), ("heel", "big_toe"),
            )),
        ],
        normalised=True,
    ),
    "human36m17": Convention(
        "Human3.6M, 17 joints",
        tuple({"nose": "nose", "head": "crown"}.get(name, name) for name in _RIGHT_FIRST),
        EDGES,
    ),
    "skeleton17": Convention("the 17 joints of the motion trained on", JOINTS, EDGES),
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
    >>> conventions_with(33), conventions_with(18)
    (['mediapipe33'], [])
    """
    return [name for name, known in CONVENTIONS.items() if len(known.points) == count]


def convention_of(names: Sequence[str]) -> str | None:
    """The largest convention whose joints all have a name here, if the names leave no doubt.

    ``skeleton17`` is never the answer, as its names mean other places for other motion.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.conventions import CONVENTIONS, convention_of
    >>> convention_of([*CONVENTIONS["coco17"].points, "tail"])
    'coco17'
    """
    given = {_plain(name) for name in names}
    certain = [name for name in CONVENTIONS if name != "skeleton17"]
    for key in sorted(certain, key=lambda name: -len(CONVENTIONS[name].points)):
        if given.issuperset(_plain(point) for point in CONVENTIONS[key].points):
            return key
    return None


def order_of(names: Sequence[str], convention: str) -> list[int]:
    """Where the points of a convention stand among the joint names of a file.

    Spelling is forgiven as far as it leaves no doubt: ``LShoulder``, ``left shoulder`` and
    ``left_shoulder`` are one. Names that the convention lacks are left out.

    Parameters
    ----------
    names : sequence of str
    convention : str
        A key of ``CONVENTIONS``.

    Returns
    -------
    list of int, length K

    Raises
    ------
    ValueError
        Naming the first point that is not there.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.conventions import CONVENTIONS, order_of
    >>> order_of(["tail", *reversed(CONVENTIONS["coco17"].points)], "coco17")[:3]
    [17, 16, 15]
    """
    places = {_plain(name): i for i, name in enumerate(names)}
    if convention == "human36m17" and "head" in places:
        places.setdefault("crown", places["head"])
    order = []
    for point in CONVENTIONS[convention].points:
        if _plain(point) not in places:
            raise ValueError(
                f"the joint {point} of {convention} is not among the names of the file: "
                f"{', '.join(names)}; give another --convention or rename the joints"
            )
        order.append(places[_plain(point)])
    return order


_SYNONYMS = {
    "midhip": "pelvis",
    "hip": "pelvis",
    "root": "pelvis",
    "spine": "torso",
    "thorax": "neck",
    "headtop": "crown",
    "mouthleft": "leftmouth",
    "mouthright": "rightmouth",
    "leftfootindex": "leftbigtoe",
    "rightfootindex": "rightbigtoe",
}


def _plain(name: str) -> str:
    """A joint's name without case, separators and the usual short forms."""
    text = name.strip()
    for short, long in (("L", "left"), ("R", "right"), ("l_", "left"), ("r_", "right")):
        rest = text.removeprefix(short)
        if rest != text and (rest[:1].isupper() or rest[:1] == "_" or short[-1] == "_"):
            text = long + rest
            break
    text = "".join(letter for letter in text.lower() if letter.isalnum())
    return _SYNONYMS.get(text, text)
