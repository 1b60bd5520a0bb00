"""Joints by their names, however a file spells them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from examples.hgn_pose.lifting.conventions import ARM, CONVENTIONS, LEG

SYNONYMS = {
    "midhip": "pelvis",
    "centerhip": "pelvis",
    "hipcenter": "pelvis",
    "hip": "pelvis",
    "hips": "pelvis",
    "root": "pelvis",
    "spine": "torso",
    "thorax": "neck",
    "headtop": "crown",
    "topofhead": "crown",
    "mouthleft": "leftmouth",
    "mouthright": "rightmouth",
    "leftfootindex": "leftbigtoe",
    "rightfootindex": "rightbigtoe",
}
"""Spellings without case and separators, and the points that all conventions mean by them."""

LIMBS = {
    name
    for known in CONVENTIONS.values()
    for name in known.points
    if any(name.lower().endswith(f"_{joint}") for joint in (*ARM, *LEG))
}
"""Points of arms and legs, which every convention has."""
_SIDE_FIRST = re.compile(r"(?i:left|right|[lr])(?=[\W_])|(?i:left|right)|[LRlr](?=[A-Z])")
_SIDE_LAST = re.compile(r"[\W_]+(?i:left|right|[lr])$|(?<=[a-z])(?:Left|Right|[LR])$")
_LONG = {"l": "left", "r": "right"}
_PARTS = (
    "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "eye", "ear", "mouth", "heel", "foot",
    "toe", "bigtoe", "smalltoe", "hand", "thumb", "index", "pinky", "eyeinner", "eyeouter",
    "footindex",
)  # fmt: skip


def convention_of(names: Sequence[str]) -> str | None:
    """The largest convention whose joints all have a name here, if the names leave no doubt.

    If there is none, the one of which the most joints have a name, and all of arms and legs.
    ``skeleton17`` is never the answer, as its names mean other places for other motion.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.conventions import CONVENTIONS
    >>> from examples.hgn_pose.lifting.joint_names import convention_of
    >>> convention_of([*CONVENTIONS["coco17"].points, "tail"])
    'coco17'
    """
    best, rank = None, (0, 0)
    for key, known in CONVENTIONS.items():
        places, lacking = _places(names, key)
        if lacking & LIMBS:
            continue
        found = len(places) - len(lacking)
        mine = (len(places), 0) if not lacking else (0, 1000 * found - len(places))
        if mine > rank:
            used = {_letters(names[place]) for place in places if place >= 0}
            doubtful = {_letters(name) for name in known.doubtful}
            best, rank = (None if doubtful and doubtful <= used else key), mine
    return best


def order_of(names: Sequence[str], convention: str) -> list[int]:
    """Where the points of a convention stand among the joint names of a file.

    Spelling is forgiven as far as it leaves no doubt: ``LShoulder``, ``left shoulder``,
    ``shoulder_l`` and ``LEFT_SHOULDER`` are one. Names that the convention lacks are left out.
    Only joints of arms and legs have to be there.

    Parameters
    ----------
    names : sequence of str
    convention : str
        A key of ``CONVENTIONS``.

    Returns
    -------
    list of int, length K
        -1 for a point of trunk, head, hands or feet that is not there.

    Raises
    ------
    ValueError
        Naming the first point of arms and legs that is not there.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.conventions import CONVENTIONS
    >>> from examples.hgn_pose.lifting.joint_names import order_of
    >>> order_of(["tail", *reversed(CONVENTIONS["coco17"].points)], "coco17")[:3]
    [17, 16, 15]
    """
    places, lacking = _places(names, convention)
    missing = [point for point in CONVENTIONS[convention].points if point in lacking & LIMBS]
    if missing:
        raise ValueError(
            f"the joint {missing[0]} of {convention} is not among the names of the file: "
            f"{', '.join(names)}; give another --convention or rename the joints"
        )
    return places


def _places(names: Sequence[str], convention: str) -> tuple[list[int], set[str]]:
    """Places of the points, -1 for those that have none, and which these are."""
    there: dict[str, int] = {}
    for place, name in enumerate(names):
        there.setdefault(_sided(name), place)
    for place, name in enumerate(names):
        there.setdefault(plain(name), place)
    places: list[int] = []
    for point in CONVENTIONS[convention].points:
        wanted = CONVENTIONS[convention].names.get(point, (point,))
        forms = (form for name in wanted for form in (_sided(name), plain(name)))
        free = [there[form] for form in forms if form in there and there[form] not in places]
        places.append(free[0] if free else -1)
    points = CONVENTIONS[convention].points
    return places, {point for point, place in zip(points, places, strict=True) if place < 0}


def plain(name: str) -> str:
    """A joint's name without case and separators, the side first, synonyms resolved.

    Examples
    --------
    >>> from examples.hgn_pose.lifting.joint_names import plain
    >>> plain("LShoulder"), plain("shoulder_l"), plain("Left Shoulder"), plain("MidHip")
    ('leftshoulder', 'leftshoulder', 'leftshoulder', 'pelvis')
    """
    text = _sided(name)
    return SYNONYMS.get(text, text)


def _sided(name: str) -> str:
    text = name.strip()
    first, last = _SIDE_FIRST.match(text), _SIDE_LAST.search(text)
    if first:
        return _LONG[text[0].lower()] + _letters(text[first.end() :])
    if last:
        return _LONG[_letters(last[0])[0]] + _letters(text[: last.start()])
    letters = _letters(text)
    if letters[:1] in _LONG and letters[1:] in _PARTS:
        return _LONG[letters[0]] + letters[1:]
    return letters


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())
