"""Bodies that nobody recorded: other bone lengths, limbs held otherwise or from another frame."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from examples.hgn_pose.body.skeleton import EDGES, JOINTS

LENGTHS = (
    ("R_Hip", "L_Hip"),
    ("R_Knee", "L_Knee"),
    ("R_Ankle", "L_Ankle"),
    ("Torso",),
    ("Neck",),
    ("Nose", "Head"),
    ("L_Shoulder", "R_Shoulder"),
    ("L_Elbow", "R_Elbow"),
    ("L_Wrist", "R_Wrist"),
)
"""Bones, by the joint in which each ends, that are as long left and right or change together."""

LIMBS = (
    (),
    ("R_Knee", "R_Ankle", "L_Knee", "L_Ankle"),
    ("L_Elbow", "L_Wrist"),
    ("R_Elbow", "R_Wrist"),
)
"""What can be taken from another frame: nothing, the legs, one arm or the other."""

SWUNG = (
    "R_Knee",
    "R_Ankle",
    "L_Knee",
    "L_Ankle",
    "Torso",
    "Neck",
    "L_Elbow",
    "L_Wrist",
    "R_Elbow",
    "R_Wrist",
)
"""Bones, by the joint in which each ends, that swing about their beginning, and take with them what
hangs on them."""

CARRIED_BY = 0.03
"""Metres by which a bone is farther from a node than the nearest one when it counts little."""

FRAMES_LOOKED_AT = 200
"""Frames in which nodes are compared with bones."""

_ENDS = [JOINTS[child] for _, child in EDGES]


class _Tables(NamedTuple):
    """What depends on the skeleton alone, on a device."""

    length: Tensor  # [16] int64: row of LENGTHS of every bone
    taken: Tensor  # [4, 16] bool: whether the choice of LIMBS takes the bone
    leg: Tensor  # [16] bool
    hangs: Tensor  # [16, 10] float32: 1 where a bone of SWUNG takes the bone with it, or is it
    parent: Tensor  # [16] int64
    child: Tensor  # [16] int64


@cache
def _tables(device: torch.device) -> _Tables:
    parent, child = torch.tensor(EDGES, device=device).T
    return _Tables(
        length=torch.tensor(
            [next(k for k, ends in enumerate(LENGTHS) if end in ends) for end in _ENDS],
            device=device,
        ),
        taken=torch.tensor([[end in limb for end in _ENDS] for limb in LIMBS], device=device),
        leg=torch.tensor([end in LIMBS[1] for end in _ENDS], device=device),
        hangs=torch.tensor(
            [[float(bone in _way_to(end)) for bone in SWUNG] for end in _ENDS], device=device
        ),
        parent=parent.contiguous(),
        child=child.contiguous(),
    )


def _way_to(end: str) -> list[str]:
    """The joints from the pelvis to one, itself with them."""
    way, parents = [end], {JOINTS[child]: JOINTS[parent] for parent, child in EDGES}
    while way[-1] in parents:
        way.append(parents[way[-1]])
    return way


def rebuilt(
    points: Tensor,  # [B, 17, 3] world, z up
    lengths: Tensor | None,  # [B, 9]
    limb: Tensor | None,  # [B] int64
    window: int = 1,
    swing: Tensor | None = None,  # [B, 10, 3]
) -> Tensor:  # [B, 17, 3]
    """Every body built anew along its bones from the pelvis.

    First the limb that ``limb`` names is taken from the element before in the batch, from the last
    one for the first: directions of its bones relative to the pelvis (legs) or the thorax (arms),
    with the body's own lengths. Then bones swing by ``swing``. Then every bone is as many times as
    long as ``lengths`` says.
    Last the whole body is raised or lowered, so that its lowest joint is as high as it was.

    Parameters
    ----------
    points : Tensor, shape (B, 17, 3)
        World joint positions, metres, z up.
    lengths : Tensor, shape (B, 9), optional
        Factors of the rows of ``LENGTHS``.
    limb : Tensor, shape (B,), int64, optional
        Row of ``LIMBS``.
    window : int
        Elements in a row that are frames of one window; each takes its limb from the same frame of
        the window before.
    swing : Tensor, shape (B, 10, 3), optional
        Rotation vectors of the bones of ``SWUNG``, radians, about the axes of the world. A bone
        turns by the sum of those on its way from the pelvis.

    Returns
    -------
    Tensor, shape (B, 17, 3)

    Examples
    --------
    >>> import torch
    >>> from examples.hgn_pose.samples.other_bodies import rebuilt
    >>> line = torch.arange(17.0)[None, :, None] * torch.tensor([0.0, 0.0, 1.0])
    >>> longer = rebuilt(line, torch.full((1, 9), 1.1), None)
    >>> round(float(longer[0, 16, 2]), 4)
    17.6
    """
    tables = _tables(points.device)
    bones = points[:, tables.child] - points[:, tables.parent]  # [B, 16, 3]
    if limb is not None:
        other = _of_the_one_before(points, bones, window)
        bones = torch.where(tables.taken[limb][..., None], other, bones)
    if swing is not None:
        bones = _turned(bones, tables.hangs @ swing)
    if lengths is not None:
        bones = bones * lengths[:, tables.length][..., None]
    joints = [points[:, 0]] * len(JOINTS)
    for bone, (parent, child) in zip(bones.unbind(1), EDGES, strict=True):  # parents come first
        joints[child] = joints[parent] + bone
    built = torch.stack(joints, dim=1)
    height = points[..., 2].amin(1) - built[..., 2].amin(1)
    return torch.cat([built[..., :2], built[..., 2:] + height[:, None, None]], dim=2)


def _turned(
    vectors: Tensor,  # [B, N, 3]
    by: Tensor,  # [B, N, 3] rotation vectors, radians
) -> Tensor:  # [B, N, 3]
    """Vectors turned each by its own rotation: the formula of Rodrigues."""
    angle = torch.linalg.vector_norm(by, dim=2, keepdim=True)
    axis = normalize(by, dim=2)
    across = torch.linalg.cross(axis, vectors)
    along = axis * (axis * vectors).sum(2, keepdim=True)
    return vectors * angle.cos() + across * angle.sin() + along * (1 - angle.cos())


def _of_the_one_before(points: Tensor, bones: Tensor, window: int) -> Tensor:  # [B, 16, 3]
    """The bones of the window before, turned into the own pelvis or thorax, as long as the own."""
    other = bones.roll(window, 0)
    pelvis = _axes(points, "L_Hip", "R_Hip", "Pelvis", "Torso")
    thorax = _axes(points, "L_Shoulder", "R_Shoulder", "Torso", "Neck")
    legs, arms = (other @ own.roll(window, 0).transpose(1, 2) @ own for own in (pelvis, thorax))
    there = torch.where(_tables(points.device).leg[:, None], legs, arms)
    return normalize(there, dim=2) * torch.linalg.vector_norm(bones, dim=2, keepdim=True)


def _axes(points: Tensor, left: str, right: str, low: str, high: str) -> Tensor:  # [B, 3, 3]
    """Rows: to the left, up along the spine and at a right angle to the first, and forward."""
    place = {name: points[:, JOINTS.index(name)] for name in (left, right, low, high)}
    across = normalize(place[left] - place[right], dim=1)
    spine = place[high] - place[low]
    up = normalize(spine - (spine * across).sum(1, keepdim=True) * across, dim=1)
    return torch.stack([across, up, torch.linalg.cross(across, up)], dim=1)


def furthest(
    points: Tensor,  # [T, 17, 3]
    bones: float,
    crossed: bool,
) -> Tensor:  # [T]
    """Metres from the z axis that no joint passes, however the bodies are rebuilt; ``crossed``
    where bones may point anywhere."""
    tables = _tables(points.device)
    ends = points[:, tables.child] - points[:, tables.parent]
    length = torch.linalg.vector_norm(ends, dim=2)
    paths = [torch.zeros_like(length[:, 0])] * len(JOINTS)
    for bone, (parent, child) in zip(length.unbind(1), EDGES, strict=True):
        paths[child] = paths[parent] + bone
    path = torch.stack(paths, dim=1)  # [T, 17]
    away = torch.linalg.vector_norm(points[..., :2], dim=2)
    if crossed:
        away = torch.maximum(away, away[:, :1] + path)
    return (away + bones * path).amax(1)


def carried(
    mesh: Tensor,  # [B, N, 3]
    share: Tensor,  # [N, 16]
    before: Tensor,  # [B, 17, 3]
    after: Tensor,  # [B, 17, 3]
) -> Tensor:  # [B, N, 3]
    """A mesh after the joints of its body were moved a little, as a change of lengths does.

    A bone takes a node beside it as far as it takes its own nearest point, which moves between
    the ways of its two ends. A node goes where its bones take it on average.

    Parameters
    ----------
    mesh : Tensor, shape (B, N, 3)
    share : Tensor, shape (N, 16)
        Of every bone in the motion of every node, as :func:`shares_of_bones` finds it.
    before, after : Tensor, shape (B, 17, 3)
    """
    tables = _tables(mesh.device)
    along = _along(mesh, before[:, tables.parent], before[:, tables.child])[..., None]
    way = after - before
    start, end = way[:, None, tables.parent], way[:, None, tables.child]  # [B, 1, 16, 3]
    return mesh + ((start + along * (end - start)) * share[..., None]).sum(2)


def _along(
    mesh: Tensor,  # [B, N, 3]
    start: Tensor,  # [B, 16, 3]
    end: Tensor,  # [B, 16, 3]
) -> Tensor:  # [B, N, 16]
    """Where along every bone its point nearest to a node lies: 0 at the start, 1 at the end."""
    bone = (end - start)[:, None]
    offset = mesh[:, :, None] - start[:, None]
    square = (bone * bone).sum(3).clamp(min=1e-12)
    return ((offset * bone).sum(3) / square).clamp(0, 1)


def shares_of_bones(
    mesh: np.ndarray,  # [T, N, 3]
    positions: np.ndarray,  # [T, 17, 3]
) -> Tensor:  # [N, 16] float32
    """How much every bone moves every node of a mesh: the nearer it stays, the more.

    Parameters
    ----------
    mesh : array of float, shape (T, N, 3)
    positions : array of float, shape (T, 17, 3)
        Joints in the same frames, of which some 200 are looked at.

    Returns
    -------
    Tensor, shape (N, 16), float32
        Rows sum to 1.
    """
    step = max(1, len(mesh) // FRAMES_LOOKED_AT)
    nodes = torch.from_numpy(mesh[::step]).double()
    joints = torch.from_numpy(positions[::step]).double()
    parent, child = torch.tensor(EDGES).T
    start, end = joints[:, parent], joints[:, child]
    along = _along(nodes, start, end)[..., None]
    nearest = start[:, None] + along * (end - start)[:, None]
    distance = torch.linalg.vector_norm(nodes[:, :, None] - nearest, dim=3).mean(0)  # [N, 16]
    beyond = distance - distance.amin(1, keepdim=True)
    return torch.softmax(-((beyond / CARRIED_BY) ** 2), dim=1).float()
