import pickle
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from examples.hgn_pose.body.coarse import coarsen_body
from examples.hgn_pose.body.skinning import CoarseSkinning, linear_blend_skinning
from examples.hgn_pose.body.smpl_files import load_smpl
from examples.hgn_pose.motion.motion import Clip, Motion
from examples.hgn_pose.samples.batches import mirrored
from examples.hgn_pose.samples.mesh_targets import mesh_targets
from multiscale_gcn import coarsen

BONES = 5
PARENTS = [2**32 - 1, 0, 0, 1, 2]


def model_arrays(seed=0, half=40):
    """A lumpy symmetric ball with random skin, shapes and correctives, in SMPL's form."""
    random = np.random.default_rng(seed)
    points = random.normal(size=(half, 3))
    points[:, 0] = np.abs(points[:, 0]) + 0.2
    points = np.concatenate([points, points * [-1, 1, 1], [[0, 3, 0], [0, -3, 0], [0, 0, 3]]])
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    count = len(points)
    weights = random.dirichlet(np.full(BONES, 0.3), count)
    weights[weights < 0.05] = 0
    regressor = np.where(random.random((BONES, count)) < 0.2, random.random((BONES, count)), 0)
    return {
        "v_template": points,
        "f": ConvexHull(points).simplices.astype(np.uint32),
        "weights": weights / weights.sum(axis=1, keepdims=True),
        "shapedirs": random.normal(0, 0.05, (count, 3, 6)),
        "posedirs": random.normal(0, 0.05, (count, 3, 9 * (BONES - 1))),
        "J_regressor": regressor / regressor.sum(axis=1, keepdims=True),
        "kintree_table": np.array([PARENTS, range(BONES)], dtype=np.uint32),
    }


def chumpy_class(name):
    module, _, kind = name.rpartition(".")
    found = type(kind, (), {"__module__": module})
    setattr(sys.modules.setdefault(module, types.ModuleType(module)), kind, found)
    return found


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a model file of either sort."""
    for name in ("chumpy", "chumpy.ch", "chumpy.reordering"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))

    def written(kind, arrays):
        path = tmp_path / f"model.{kind}"
        if kind == "npz":
            np.savez(path, **arrays)
            return path
        plain, select = chumpy_class("chumpy.ch.Ch"), chumpy_class("chumpy.reordering.Select")
        template, source, shapes = plain(), plain(), select()
        template.x = arrays["v_template"]
        padded = np.concatenate([arrays["shapedirs"], np.ones_like(arrays["shapedirs"])], 2)
        source.x = padded
        wanted = arrays["shapedirs"].shape
        places = np.arange(padded.size).reshape(padded.shape)[..., : wanted[2]]
        shapes.a, shapes.idxs, shapes.preferred_shape = source, places.ravel(), wanted
        contents = {
            **arrays,
            "v_template": template,
            "shapedirs": shapes,
            "J_regressor": sp.csc_matrix(arrays["J_regressor"]),
            "bs_type": "lrotmin",
        }
        path.write_bytes(pickle.dumps(contents, protocol=2))
        return path

    return written


@pytest.fixture
def body(write):
    return load_smpl(write("npz", model_arrays()))


def some_poses(body, frames=4, seed=1, dtype=np.float64):
    random = np.random.default_rng(seed)
    betas = random.normal(size=(2, 4))[np.arange(frames) % 2]
    pose = random.normal(0, 0.7, (frames, 3 * BONES))
    return body.poses(pose.astype(dtype), betas, random.normal(size=(frames, 3)).astype(dtype))


def plain_smpl(arrays, pose, betas, translation):
    """The paper's equations 2 to 11, one vertex and one bone after the other."""
    shaped = arrays["v_template"] + arrays["shapedirs"][..., : len(betas)] @ betas
    joints = arrays["J_regressor"] @ shaped
    turns = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix()
    feature = np.concatenate([(turn - np.eye(3)).ravel() for turn in turns[1:]])
    rest = shaped + arrays["posedirs"] @ feature
    world: list[np.ndarray] = []
    for bone, turn in enumerate(turns):
        parent = PARENTS[bone]
        step = np.eye(4)
        step[:3, :3] = turn
        step[:3, 3] = joints[bone] - (joints[parent] if bone else 0)
        world.append(world[parent] @ step if bone else step)
    posed = np.zeros_like(rest)
    for bone, transform in enumerate(world):
        moved = (rest - joints[bone]) @ transform[:3, :3].T + transform[:3, 3]
        posed += arrays["weights"][:, bone : bone + 1] * moved
    return posed + translation


def test_posing_is_that_of_the_paper(body):
    arrays = model_arrays()
    random = np.random.default_rng(2)
    pose, betas = random.normal(size=(3, 3 * BONES)), random.normal(size=(3, 6))
    translation = random.normal(size=(3, 3))
    poses = body.poses(pose, betas, translation)
    for frame in range(3):
        shape = poses.shape(body, poses.person[frame])
        posed = linear_blend_skinning(body, shape, poses.select([frame]))[0]
        expected = plain_smpl(arrays, pose[frame], betas[frame], translation[frame])
        np.testing.assert_allclose(posed, expected, atol=1e-12)


def test_pickled_models_are_read_without_chumpy(write, body):
    pickled = load_smpl(write("pkl", model_arrays()))
    assert pickled.fingerprint == body.fingerprint
    assert repr(pickled) == "SmplBody(83 vertices, 162 faces, 5 bones, 6 shape coefficients)"


def test_coarse_targets_are_the_restricted_mesh(body, tmp_path):
    poses = some_poses(body)
    hierarchy = coarsen(body.graph(), sizes=[20, 10], symmetry=body.mirror)
    motion = Motion(
        np.zeros((4, 17, 3), np.float32), np.zeros(4, int), (Clip("a", "b", 0),), np.ones(1), poses
    )
    matrices = [hierarchy.restriction(0, hierarchy.level(n).index, "mean") for n in (20, 10)]
    targets = mesh_targets(body, motion, matrices, tmp_path)
    for matrix, found in zip(matrices, targets, strict=True):
        for frame in range(4):
            one = poses.select([frame])
            full = linear_blend_skinning(body, poses.shape(body, poses.person[frame]), one)[0]
            np.testing.assert_allclose(found[frame], matrix @ full, atol=1e-5)
            exact = CoarseSkinning(body, matrix)
            np.testing.assert_allclose(exact.vertices(one)[0], matrix @ full, atol=1e-12)
    without = replace(body, pose_directions=np.zeros_like(body.pose_directions))
    assert np.abs(mesh_targets(without, motion, matrices)[0] - targets[0]).max() > 0.02


def test_meshes_are_kept_and_taken_again(body, tmp_path, monkeypatch):
    motion = Motion(
        np.zeros((4, 17, 3), np.float32),
        np.zeros(4, int),
        (Clip("a", "b", 0),),
        np.ones(1),
        some_poses(body),
    )
    matrix = sp.csr_array(np.full((2, body.num_vertices), 1 / body.num_vertices))
    [first] = mesh_targets(body, motion, [matrix], tmp_path)
    mesh_targets(replace(body, template=body.template + 1e-9), motion, [matrix], tmp_path)
    mesh_targets(body, motion, [2 * matrix], tmp_path)
    mesh_targets(body, replace(motion, poses=some_poses(body, seed=2)), [matrix], tmp_path)
    assert len(list(tmp_path.glob("meshes-*.npz"))) == 4
    monkeypatch.setattr(CoarseSkinning, "vertices", lambda *_: pytest.fail("made again"))
    [again] = mesh_targets(body, motion, [matrix], tmp_path)
    np.testing.assert_array_equal(again, first)
    for path in tmp_path.glob("meshes-*.npz"):
        path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is damaged, delete it"):
        mesh_targets(body, motion, [matrix], tmp_path)


def test_the_mirror_is_found_even_where_triangles_differ(body):
    mirror = body.mirror
    assert mirror is not None
    np.testing.assert_allclose(body.template[mirror] * [-1, 1, 1], body.template, atol=1e-12)
    hierarchy = coarsen(body.graph(), sizes=[20], symmetry=mirror)  # checks the automorphism
    level = hierarchy.level(20)
    matrix = hierarchy.restriction(0, level.index, "mean")
    coarse = torch.tensor(matrix @ body.template)
    flip = torch.tensor(level.constraints.mirror(20))
    torch.testing.assert_close(mirrored(coarse, flip), coarse)
    arrays = model_arrays()
    # Cut one quad along its other diagonal on one side only: no automorphism of the faces.
    f = arrays["f"].astype(int)
    a, b = next((i, j) for i in range(len(f)) for j in range(i) if len(set(f[i]) & set(f[j])) == 2)
    shared = sorted(set(f[a]) & set(f[b]))
    ends = [*(set(f[a]) - set(shared)), *(set(f[b]) - set(shared))]
    f[a], f[b] = [shared[0], *ends], [shared[1], *ends]
    coarsen(replace(body, faces=f).graph(), sizes=[20], symmetry=mirror)


def test_a_mesh_without_a_mirror_is_coarsened_all_the_same(write):
    arrays = model_arrays(half=200)
    arrays["v_template"] = arrays["v_template"] + np.linspace(0, 0.5, 403)[:, None] * [0, 1, 0]
    body = load_smpl(write("npz", arrays))
    assert body.mirror is None
    hierarchy = coarsen_body(body)
    assert [hierarchy.level(n).num_nodes for n in (96, 48)] == [96, 48]


def test_a_mesh_with_a_mirror_is_coarsened_symmetrically(write):
    hierarchy = coarsen_body(load_smpl(write("npz", model_arrays(half=400))))
    for size in (96, 48):
        flip = hierarchy.level(size).constraints.mirror(size)
        assert np.count_nonzero(flip != np.arange(size)) > size / 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"posedirs": np.zeros((83, 3, 9))}, r"posedirs has shape \(83, 3, 9\), not \(83, 3, 36\)"),
        ({"weights": np.full((83, 5), 0.3)}, r"weights\[0\] are no shares that sum to 1"),
        ({"f": np.array([[0, 1, 83]])}, "f names vertices beyond the 83"),
        ({"v_template": np.full((83, 3), np.nan)}, r"v_template\[0, 0\] is not finite"),
        (
            {"kintree_table": np.array([[-1, 0, 3, 1, 2], range(5)])},
            "kintree_table gives bone 2 the parent 3",
        ),
        ({"f": np.array([["a", "b", "c"]])}, "f cannot be read"),
    ],
)
def test_models_that_do_not_fit_are_refused(write, change, message):
    with pytest.raises(ValueError, match=message):
        load_smpl(write("npz", {**model_arrays(), **change}))


def test_other_files_are_refused(write, tmp_path):
    path = write("npz", {k: v for k, v in model_arrays().items() if k != "posedirs"})
    with pytest.raises(ValueError, match="no array 'posedirs'"):
        load_smpl(path)
    with pytest.raises(ValueError, match=r"no \.npz or \.pkl file"):
        load_smpl(tmp_path / "model.obj")
    evil = tmp_path / "evil.pkl"
    evil.write_bytes(pickle.dumps({"v_template": print}))
    with pytest.raises(ValueError, match=r"asks for builtins\.print"):
        load_smpl(evil)
    with pytest.raises(ValueError, match="there is no file"):
        load_smpl(tmp_path / "none.npz")


def test_bad_parameters_are_refused(body):
    with pytest.raises(ValueError, match=r"pose has shape \(2, 72\), expected \(T, 15\)"):
        body.poses(np.zeros((2, 72)), np.zeros((2, 4)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"betas has shape \(1, 4\), pose is for 2 frames"):
        body.poses(np.zeros((2, 15)), np.zeros((1, 4)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="at most 6 shape coefficients"):
        body.shape(np.zeros(7))
    with pytest.raises(ValueError, match="scale must be 1"):
        body.shape(np.zeros(6), np.full(BONES, 1.1))
