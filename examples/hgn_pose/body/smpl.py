"""SMPL and SMPL-X bodies, from the model files that a user owns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from examples.hgn_pose.body.anatomy import LIMB_SPREAD, TORSO_SPREAD, Anatomy, Hinge
from examples.hgn_pose.body.body_model import BodyModel, fingerprint_of
from examples.hgn_pose.body.carrying import Carried, Fold, Shape
from examples.hgn_pose.body.poses import BodyPose, SmplParameters
from examples.hgn_pose.body.shape_space import LinearShapes
from examples.hgn_pose.body.skeleton import JOINTS, JointPlaces

PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
"""Of the bones that SMPL, SMPL+H and SMPL-X have in common: pelvis; hips, left first, and spine;
knees and spine; ankles and spine; feet, neck and collars; head, shoulders, elbows, wrists."""

TURNING = {
    0: None,
    **dict.fromkeys((3, 6, 9, 12, 13, 14, 15), TORSO_SPREAD),
    **dict.fromkeys((1, 2, 16, 17), LIMB_SPREAD),
}
"""Bones that turn freely, and by how much, radians. Hands, feet and face do not: 17 joints say
nothing of them."""

HINGES = (
    ((1, 4, 7), (4, 5, 6), (1.0, 0.0, 0.0)),
    ((2, 5, 8), (1, 2, 3), (1.0, 0.0, 0.0)),
    ((16, 18, 20), (11, 12, 13), (0.0, -1.0, 0.0)),
    ((17, 19, 21), (14, 15, 16), (0.0, 1.0, 0.0)),
)
"""Legs and arms: bones, rows of ``skeleton.JOINTS``, and the axis about which they bend. The arms
are stretched out to the sides at rest, and bend forward."""

HEAD_BONE = 15
ON_BONES = {
    "Pelvis": (1, 2),
    "R_Hip": (2,),
    "R_Knee": (5,),
    "R_Ankle": (8,),
    "L_Hip": (1,),
    "L_Knee": (4,),
    "L_Ankle": (7,),
    "Torso": (3,),
    "Neck": (13, 14),
    "Nose": (HEAD_BONE,),
    "Head": (HEAD_BONE,),
    "L_Shoulder": (16,),
    "L_Elbow": (18,),
    "L_Wrist": (20,),
    "R_Shoulder": (17,),
    "R_Elbow": (19,),
    "R_Wrist": (21,),
}
"""The bones whose heads' mean is a joint, where no regressor says better."""


@dataclass(frozen=True, eq=False)
class SmplBody(BodyModel):
    """SMPL (Loper et al. 2015), SMPL-X (Pavlakos et al. 2019) or a body of the same form.

    At rest y points up and the body looks along z. A person's ``blend`` holds the first of the
    shape coefficients (betas).

    Parameters
    ----------
    template : array of float64, shape (V, 3)
        The mean person at rest, metres.
    shape_directions : array of float64, shape (V, 3, S)
        How the vertices move with each shape coefficient.
    joint_regressor : csr_array of float64, shape (J, V)
        Bone heads from the vertices of a person at rest.
    surface_joints : csr_array of float64, shape (17, V), optional
        The joints of ``skeleton.JOINTS`` from the vertices of a person in any pose. Without it
        they are at the heads of the bones; then the nose is the foremost vertex of the head and
        the head its topmost one (``human36m17``), or the head of the bone and the middle between
        that and the topmost vertex (``skeleton17``).
    places : {"human36m17", "skeleton17"}

    Notes
    -----
    ``faces``, ``mirror``, ``parents``, ``skin_weights`` and ``pose_directions`` are those of
    :class:`~examples.hgn_pose.body.body_model.BodyModel`. The mirror pairs vertices that lie within
    5 mm of each other's reflection.
    """

    template: np.ndarray
    shape_directions: np.ndarray
    joint_regressor: sp.csr_array
    surface_joints: sp.csr_array | None = None
    places: JointPlaces = "human36m17"

    @property
    def rest_vertices(self) -> np.ndarray:
        """The mean person, turned to have z up."""
        x, y, z = self.template.T
        return np.stack([x, -z, y], 1)

    def shape(self, blend: np.ndarray, scale: np.ndarray | None = None) -> Shape:
        """The person of shape coefficients.

        Parameters
        ----------
        blend : array of float, shape (S',)
            The first S' <= S coefficients; the others are zero.
        scale : array of float, shape (J,), optional
            Ones: the bones of SMPL have no sizes of their own.

        Raises
        ------
        ValueError
            For too many coefficients, and for a scale that is not 1.
        """
        betas = np.asarray(blend, dtype=np.float64)
        most = self.shape_directions.shape[2]
        if betas.ndim != 1 or len(betas) > most:
            raise ValueError(
                f"blend has shape {betas.shape}; give at most {most} shape coefficients"
            )
        if scale is not None and not np.all(np.asarray(scale) == 1):
            raise ValueError("scale must be 1: the bones of SMPL have no sizes of their own")
        vertices = self.template + self.shape_directions[..., : len(betas)] @ betas
        return Shape(vertices, self.joint_regressor @ vertices)

    def fold(self, restriction: sp.csr_array) -> Fold:
        """As :meth:`BodyModel.fold`; all is linear in the coefficients, so people cost little."""
        rest = self._moments(restriction, self.template)
        changes: list[np.ndarray] = []

        def carried(blend: np.ndarray, scale: np.ndarray) -> Carried:
            count = blend.shape[1]
            for k in range(len(changes), count):
                moved = self._moments(restriction, self.shape_directions[..., k])
                changes.append(moved[..., :3])
            points = np.repeat(rest[None], len(blend), 0)
            if count:
                points[..., :3] += np.tensordot(blend, np.stack(changes[:count]), 1)
            return Carried(self._heads(blend), points)

        return carried

    def _heads(self, blend: np.ndarray) -> np.ndarray:  # [P, J, 3]
        rest, changes = self._linear_heads
        heads: np.ndarray = rest + np.tensordot(blend, changes[: blend.shape[1]], 1)
        return heads

    @cached_property
    def _linear_heads(self) -> tuple[np.ndarray, np.ndarray]:  # [J, 3], [S, J, 3]
        directions = self.shape_directions.transpose(2, 0, 1)
        return self.joint_regressor @ self.template, np.stack(
            [self.joint_regressor @ direction for direction in directions]
        )

    def with_joints(self, places: JointPlaces) -> SmplBody:
        """The same body with its 17 joints where some motion has them.

        Raises
        ------
        ValueError
            When a regressor of Human3.6M's joints is to give others.
        """
        if places != "human36m17" and self.surface_joints is not None:
            raise ValueError(
                "joint_regressor gives the joints of Human3.6M, but this motion has the top of "
                "the neck for its Nose and the middle of the skull for its Head; leave "
                "joint_regressor out"
            )
        return replace(self, places=places)

    @property
    def joint_restriction(self) -> sp.csr_array | None:
        """The joints as means of vertices, if a regressor is there."""
        return self.surface_joints

    def joints(self) -> Fold:
        """The 17 joints, from the regressor or else at the heads of the bones.

        Raises
        ------
        ValueError
            Without a regressor, if the bones are not SMPL's.
        """
        if self.surface_joints is not None:
            return self.fold(self.surface_joints)
        self._check_bones()
        weights = np.zeros((len(JOINTS), len(self.parents)))
        for row, name in enumerate(JOINTS):
            weights[row, list(ON_BONES[name])] = 1 / len(ON_BONES[name])
        on_the_head = self._on_the_head()

        def carried(blend: np.ndarray, scale: np.ndarray) -> Carried:
            heads = self._heads(blend)
            places = np.repeat(heads[:, None], len(JOINTS), 1)
            for joint, vertex, share in on_the_head:
                directions = self.shape_directions[vertex, :, : blend.shape[1]]
                away = self.template[vertex] + blend @ directions.T - heads[:, HEAD_BONE]
                places[:, joint, HEAD_BONE] += share * away
            points = np.concatenate([places, np.ones_like(places[..., :1])], -1)
            return Carried(heads, weights[..., None] * points)

        return carried

    def _on_the_head(self) -> list[tuple[int, int, float]]:
        """Joints away from their bone: their row, a vertex, and the share of the way to it."""
        mine = np.flatnonzero(self.skin_weights.toarray().argmax(1) == HEAD_BONE)
        if not len(mine):
            raise ValueError(
                f"no vertex of {self.name} goes with the bone {HEAD_BONE}, SMPL's head; give a "
                "joint_regressor"
            )
        _, top, front = mine[self.template[mine].argmax(axis=0)].tolist()
        nose, head = JOINTS.index("Nose"), JOINTS.index("Head")
        if self.places == "human36m17":
            return [(nose, front, 1.0), (head, top, 1.0)]
        return [(head, top, 0.5)]

    def _check_bones(self) -> None:
        found = self.parents[: len(PARENTS)].tolist()
        if found != list(PARENTS):
            raise ValueError(
                f"the bones of {self.name} are not SMPL's: the parents of the first "
                f"{len(PARENTS)} are {found}, expected {list(PARENTS)}; only SMPL, SMPL+H and "
                "SMPL-X can be fitted"
            )

    @cached_property
    def anatomy(self) -> Anatomy:
        """Spine, neck, collars, arms and legs turn; knees and elbows are hinges."""
        self._check_bones()
        heads = self.joint_regressor @ self.template
        return Anatomy(
            turning=TURNING,
            hinges=tuple(
                Hinge.of(heads, bones, joints, np.array(across)) for bones, joints, across in HINGES
            ),
        )

    def shape_space(self) -> LinearShapes:
        """The first ten shape coefficients, or all if there are fewer."""
        return LinearShapes(self.joints(), self.shape_directions.shape[2], len(self.parents))

    def poses(
        self,
        pose: np.ndarray,  # [T, 3 J]
        betas: np.ndarray,  # [T, S']
        translation: np.ndarray,  # [T, 3]
    ) -> BodyPose:
        """SMPL's own parameters as poses; a person for every different row of ``betas``.

        Parameters
        ----------
        pose : array of float, shape (T, 3 J)
            Rotation vectors, the root's first.
        betas : array of float, shape (T, S')
            Shape coefficients.
        translation : array of float, shape (T, 3)
            Added to the posed vertices, metres. SMPL turns the root about its own joint.

        Raises
        ------
        ValueError
            If shapes do not fit together.
        """
        count = len(self.parents)
        if pose.ndim != 2 or pose.shape[1] != 3 * count:
            raise ValueError(f"pose has shape {pose.shape}, expected (T, {3 * count})")
        for name, array in (("betas", betas), ("translation", translation)):
            if array.ndim != 2 or len(array) != len(pose):
                raise ValueError(f"{name} has shape {array.shape}, pose is for {len(pose)} frames")
        most = self.shape_directions.shape[2]
        if betas.shape[1] > most:
            raise ValueError(f"betas has shape {betas.shape}; the body has {most} coefficients")
        blend, person = np.unique(betas, axis=0, return_inverse=True)
        person = person.reshape(-1)
        roots = self._heads(blend)[:, 0]
        return BodyPose(
            rotations=pose.reshape(len(pose), count, 3),
            translation=(translation + roots[person]).astype(pose.dtype),
            person=person,
            blend=blend.astype(np.float64),
            scale=np.ones((len(blend), count)),
        )

    def parameters(self, poses: BodyPose) -> SmplParameters:
        """Poses as SMPL's own parameters: the inverse of :meth:`poses`."""
        roots = self._heads(poses.blend)[:, 0]
        return SmplParameters(
            pose=poses.rotations.reshape(len(poses), -1),
            shape=poses.blend[poses.person],
            translation=poses.translation - roots[poses.person],
        )

    @cached_property
    def name(self) -> str:
        """Its size, and the beginning of the checksum of all but the joints' places."""
        return (
            f"an SMPL body of {self.num_vertices} vertices and {len(self.parents)} bones "
            f"({fingerprint_of(self._arrays())[:12]})"
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every array, the joints' included, in hexadecimal."""
        joints = self.surface_joints
        more = np.array(self.places) if joints is None else joints.toarray()
        return fingerprint_of((*self._arrays(), more))

    def _arrays(self) -> tuple[np.ndarray, ...]:
        assert self.pose_directions is not None
        return (
            self.template,
            self.faces,
            self.parents,
            self.skin_weights.toarray(),
            self.shape_directions,
            self.pose_directions,
            self.joint_regressor.toarray(),
        )

    def __repr__(self) -> str:
        return (
            f"SmplBody({self.num_vertices} vertices, {len(self.faces)} faces, "
            f"{len(self.parents)} bones, {self.shape_directions.shape[2]} shape coefficients)"
        )
