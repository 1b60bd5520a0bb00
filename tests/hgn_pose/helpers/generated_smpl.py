"""A body in the form of SMPL's model files, made of the built-in one: bones, skin, shapes, mirror.

Its mesh is a coarse level of the built-in body's, with the arms stretched out to the sides.
"""

from functools import cache

import numpy as np
import scipy.sparse as sp

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.kinematics import bone_transforms
from examples.hgn_pose.body.poses import BodyPose
from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.body.skinning import linear_blend_skinning
from multiscale_gcn import HeavyEdgeMatching, coarsen

PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
NODES = 900
BETAS = 10

SKIN = {
    "root": 0, "pelvis": 0, "spine05": 0, "spine04": 3, "spine03": 6, "spine02": 6, "spine01": 9,
    "neck01": 12, "neck02": 12, "neck03": 12, "head": 15,
}  # fmt: skip
SIDED_SKIN = {
    "upperleg01": 1, "upperleg02": 1, "lowerleg01": 4, "lowerleg02": 4, "foot": 7,
    "clavicle": 13, "shoulder01": 13, "upperarm01": 16, "upperarm02": 16,
    "lowerarm01": 18, "lowerarm02": 18, "wrist": 20,
}  # fmt: skip
"""SMPL's bone for each of the built-in body's; right ones are one further."""
HEADS = {0: "root", 3: "spine04", 6: "spine03", 9: "spine01", 12: "neck01", 15: "head"}
SIDED_HEADS = {
    1: "upperleg01", 4: "lowerleg01", 7: "foot", 13: "clavicle", 16: "upperarm01",
    18: "lowerarm01", 20: "wrist",
}  # fmt: skip


def bone_of(name):
    stem, _, side = name.partition(".")
    return SIDED_SKIN[stem] + (side == "R") if stem in SIDED_SKIN else SKIN[stem]


def stretched(body, blend):
    """Vertices and bone heads of a person with straight elbows and level arms, y up."""
    rotations = np.zeros((1, len(body.bones), 3))
    for hinge in body.anatomy.hinges:
        if body.bones[hinge.lower].startswith("lowerarm"):
            rotations[0, hinge.lower] = -hinge.rest * hinge.axis
            heads = body.shape().heads
            along = heads[hinge.lower] - heads[hinge.upper]
            level = np.array([np.sign(along[0]), 0.0, 0.0])
            normal = np.cross(along, level)
            angle = np.arctan2(np.linalg.norm(normal), along @ level)
            rotations[0, hinge.upper] = angle * normal / np.linalg.norm(normal)
    shape = body.shape(blend)
    pose = BodyPose(
        rotations, shape.heads[:1], np.zeros(1, int), blend[None], np.ones((1, len(body.bones)))
    )
    [vertices] = linear_blend_skinning(body, shape, pose)
    transforms = bone_transforms(body, shape.heads[None], pose)[..., 0].numpy()
    heads = np.einsum("bxy,by->bx", transforms[..., :3], shape.heads) + transforms[..., 3]
    to_y_up = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    return vertices @ to_y_up, heads @ to_y_up


def regressor_of(places, vertices, near=24):
    """Rows of weights that sum to 1 and give each place from the vertices around it: [K, V]."""
    rows = np.zeros((len(places), len(vertices)))
    for row, place in enumerate(places):
        chosen = np.argsort(np.linalg.norm(vertices - place, axis=1))[:near]
        system = np.vstack([vertices[chosen].T, np.ones(near)])
        rows[row, chosen] = np.linalg.pinv(system) @ [*place, 1]
    return rows


@cache
def smpl_arrays(correctives=0.002):
    """What a model file of SMPL holds; correctives of so many metres a radian."""
    body = load_body()
    hierarchy = coarsen(
        body.graph(),
        sizes=[NODES],
        symmetry=body.mirror,
        method=HeavyEdgeMatching(max_node_weight=100),
    )
    level = hierarchy.level(NODES)
    mean = sp.csr_array(hierarchy.restriction(0, level.index, "mean"))
    count = len(body.shape_names)
    people = [
        stretched(body, np.full(count, 1 / count)),
        *(stretched(body, e) for e in np.eye(count)),
    ]
    meshes = [mean @ vertices for vertices, _ in people]
    weights = np.zeros((NODES, len(PARENTS)))
    skin = mean @ body.skin_weights.toarray()
    for bone, name in enumerate(body.bones):
        weights[:, bone_of(name)] += skin[:, bone]
    heads = np.zeros((len(PARENTS), 3))
    own = people[0][1]
    for smpl, name in HEADS.items():
        heads[smpl] = own[body.bones.index(name)]
    for smpl, stem in SIDED_HEADS.items():
        for right, side in enumerate("LR"):
            heads[smpl + right] = own[body.bones.index(f"{stem}.{side}")]
    for right in (0, 1):
        heads[10 + right] = heads[7 + right] + [0, -0.03, 0.1]
        heads[22 + right] = heads[20 + right] + [0.08 - 0.16 * right, 0, 0]
    random = np.random.default_rng(0)
    shapes = np.zeros((NODES, 3, BETAS))
    for k, mesh in enumerate(meshes[2:], start=0):
        shapes[..., k] = (mesh - meshes[1]) / 2
    return {
        "v_template": meshes[0],
        "f": hierarchy.coarse_faces(body.faces, level.index).astype(np.uint32),
        "weights": weights / weights.sum(axis=1, keepdims=True),
        "shapedirs": shapes,
        "posedirs": random.normal(0, correctives, (NODES, 3, 9 * (len(PARENTS) - 1))),
        "J_regressor": regressor_of(heads, meshes[0]),
        "kintree_table": np.array([[2**32 - 1, *PARENTS[1:]], range(len(PARENTS))], np.uint32),
    }


def joint_regressor():
    """A matrix such as Pose2Mesh's: 17 joints, a little off the bones, from the vertices."""
    arrays = smpl_arrays()
    heads = arrays["J_regressor"] @ arrays["v_template"]
    on = {
        "Pelvis": [1, 2], "R_Hip": [2], "R_Knee": [5], "R_Ankle": [8], "L_Hip": [1],
        "L_Knee": [4], "L_Ankle": [7], "Torso": [3], "Neck": [9, 12], "Nose": [15], "Head": [15],
        "L_Shoulder": [16], "L_Elbow": [18], "L_Wrist": [20], "R_Shoulder": [17],
        "R_Elbow": [19], "R_Wrist": [21],
    }  # fmt: skip
    places = np.array([heads[on[name]].mean(0) for name in JOINTS])
    places[JOINTS.index("Nose")] += [0, 0.02, 0.11]
    places[JOINTS.index("Head")] += [0, 0.14, 0.02]
    for name in ("R_Hip", "L_Hip"):
        places[JOINTS.index(name)] += [0, 0.015, 0.005]
    return regressor_of(places, arrays["v_template"])


def write_smpl(path, **changes):
    np.savez(path, **{**smpl_arrays(), **changes})
    return path
