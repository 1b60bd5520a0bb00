from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from examples.hgn_pose.body.built_in import BODY_PATH, load_body
from examples.hgn_pose.body.skeleton import FLIP, JOINTS

REFLECTION = np.array([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def body():
    return load_body()


def directed_edges(faces):
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def test_the_file_is_small_and_holds_no_objects():
    assert BODY_PATH.stat().st_size < 2e6
    with np.load(BODY_PATH, allow_pickle=False) as stored:
        assert all(stored[name].dtype.kind != "O" for name in stored.files)


def test_the_mesh_is_one_closed_surface_facing_outwards(body):
    edges = {tuple(edge) for edge in directed_edges(body.faces).tolist()}
    assert len(edges) == 3 * len(body.faces)
    assert all((v, u) in edges for u, v in edges)
    graph = body.graph()
    assert connected_components(graph.to_scipy())[0] == 1
    assert graph.num_nodes == 13348
    assert graph.num_nodes - graph.num_edges + len(body.faces) == 2  # Euler: a sphere
    for vertices in body.vertices:
        a, b, c = vertices[body.faces.T]
        volume = np.einsum("fi,fi->", a, np.cross(b, c)) / 6
        assert 0.03 < volume < 0.2  # cubic metres


def test_the_mirror_is_an_automorphism_that_reflects_shapes_and_skin(body):
    mirror = body.mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))
    edges = {tuple(edge) for edge in directed_edges(body.faces).tolist()}
    assert {(mirror[v], mirror[u]) for u, v in edges} == edges
    np.testing.assert_array_equal(body.vertices[:, mirror] * REFLECTION, body.vertices)
    np.testing.assert_array_equal(body.heads[:, body.bone_mirror] * REFLECTION, body.heads)
    skin = body.skin_weights.toarray()
    np.testing.assert_allclose(skin[mirror][:, body.bone_mirror], skin, atol=1e-15)
    on_the_middle_line = mirror == np.arange(len(mirror))
    assert 100 < on_the_middle_line.sum() < 1000
    np.testing.assert_array_equal(body.vertices[:, on_the_middle_line, 0], 0)


def test_bones_stand_parents_first_and_mirror_each_other(body):
    assert body.parents[0] == -1
    assert (body.parents[1:] < np.arange(1, len(body.parents))).all()
    np.testing.assert_array_equal(
        body.parents[body.bone_mirror][1:], body.bone_mirror[body.parents[1:]]
    )


def test_skin_weights_are_shares(body):
    assert (body.skin_weights.data > 0).all()
    np.testing.assert_allclose(body.skin_weights.sum(axis=1), 1, atol=1e-12)


def test_joints_are_where_their_names_say(body):
    np.testing.assert_allclose(body.joint_weights.sum(axis=1), 1)
    np.testing.assert_array_equal(body.joint_weights[FLIP][:, body.bone_mirror], body.joint_weights)
    rest = dict(zip(JOINTS, body.joint_weights @ body.heads[0] + body.joint_offsets, strict=True))
    for side, sign in (("L", 1), ("R", -1)):
        hip, knee, ankle = (rest[f"{side}_{name}"] for name in ("Hip", "Knee", "Ankle"))
        assert hip[2] > knee[2] > ankle[2]
        assert sign * hip[0] > 0.05
        shoulder, elbow, wrist = (rest[f"{side}_{n}"] for n in ("Shoulder", "Elbow", "Wrist"))
        assert sign * wrist[0] > sign * elbow[0] > sign * shoulder[0] > 0.1
    column = [rest[name][2] for name in ("Pelvis", "Torso", "Neck", "Nose", "Head")]
    assert column == sorted(column)
    # The toes, which are before the ankles, say that the body looks along -y.
    toes = body.vertices[0][body.vertices[0][:, 2].argsort()[:200]]
    assert toes[:, 1].min() < rest["L_Ankle"][1] - 0.1


def test_shapes_differ_as_their_names_say(body):
    stature = {name: np.ptp(body.shape(name).vertices[:, 2]) for name in body.shape_names}
    assert stature["short"] < stature["woman"] < stature["average"] < stature["man"]
    assert stature["man"] < stature["tall"]
    depth = {name: np.ptp(body.shape(name).vertices[:, 1]) for name in ("light", "heavy")}
    assert depth["light"] < depth["heavy"]


def test_a_blend_lies_between_its_shapes(body):
    share = np.zeros(len(body.shape_names))
    share[body.shape_names.index("short")] = 0.25
    share[body.shape_names.index("tall")] = 0.75
    blend, short, tall = body.shape(share), body.shape("short"), body.shape("tall")
    np.testing.assert_allclose(blend.vertices, 0.25 * short.vertices + 0.75 * tall.vertices)
    np.testing.assert_allclose(blend.heads, 0.25 * short.heads + 0.75 * tall.heads)


def test_one_size_for_all_bones_is_one_size_for_the_body(body):
    plain = body.shape()
    scaled = body.shape(scale=np.full(len(body.bones), 1.3))
    root = plain.heads[0]
    np.testing.assert_allclose(scaled.heads, root + 1.3 * (plain.heads - root), atol=1e-12)
    np.testing.assert_allclose(scaled.vertices, root + 1.3 * (plain.vertices - root), atol=1e-12)


def test_a_longer_forearm_moves_the_hand_and_nothing_else(body):
    scale = np.ones(len(body.bones))
    forearm = [body.bones.index(name) for name in ("lowerarm01.L", "lowerarm02.L")]
    elbow, wrist = forearm[0], body.bones.index("wrist.L")
    scale[forearm] = 1.2
    plain, longer = body.shape(), body.shape(scale=scale)
    step = 0.2 * (plain.heads[wrist] - plain.heads[elbow])
    np.testing.assert_allclose(longer.heads[wrist] - plain.heads[wrist], step, atol=1e-12)
    skin = body.skin_weights.toarray()
    hand = skin[:, wrist] == 1
    assert hand.sum() > 500
    moved = longer.vertices - plain.vertices
    assert np.abs(moved[hand] - step).max() < 1e-12
    elsewhere = skin[:, [*forearm, wrist]].sum(axis=1) == 0
    assert np.abs(moved[elsewhere]).max() < 1e-12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"blend": "giant"}, "'giant' is none of average"),
        ({"blend": np.full(7, 0.5)}, "sum 3.5"),
        ({"blend": np.ones(3) / 3}, r"shape \(3,\)"),
        ({"scale": np.ones(4)}, r"scale has shape \(4,\)"),
        ({"scale": np.r_[np.ones(35), -1]}, r"scale\[35\] = -1.0 \(head\)"),
    ],
)
def test_bad_shapes_are_refused(body, arguments, message):
    with pytest.raises(ValueError, match=message):
        body.shape(**arguments)


def test_arrays_are_read_only(body):
    with pytest.raises(ValueError, match="read-only"):
        body.vertices[0, 0, 0] = 1


def test_the_fingerprint_sees_a_change(body):
    moved = body.vertices.copy()
    moved[0, 17, 2] += 1e-6
    assert replace(body, vertices=moved).fingerprint != body.fingerprint
    assert replace(body, vertices=body.vertices.copy()).fingerprint == body.fingerprint


def test_a_missing_file_sends_to_a_clone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("examples.hgn_pose.body.built_in.BODY_PATH", tmp_path / "body.npz")
    with pytest.raises(ValueError, match=r"no file .*body\.npz.*from a clone of the repository"):
        load_body.__wrapped__()
