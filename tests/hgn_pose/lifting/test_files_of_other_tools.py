import csv
import gc
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generated_smpl import write_smpl
from PIL import Image, ImageSequence

from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.kinematics import bone_transforms
from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.body.skinning import joint_positions, linear_blend_skinning
from examples.hgn_pose.body.smpl_files import load_smpl
from examples.hgn_pose.datasets.mocap import read_bvh
from examples.hgn_pose.lifting.filming import film, truth
from examples.hgn_pose.lifting.outputs import gltf, video
from examples.hgn_pose.lifting.outputs.body_clip import LEVEL, Y_UP, with_body
from examples.hgn_pose.lifting.outputs.bvh import bvh
from examples.hgn_pose.lifting.outputs.drawn_body import drawn_body, main_bones
from examples.hgn_pose.lifting.outputs.formats import destinations
from examples.hgn_pose.lifting.outputs.rig import bone_names, rig_of
from examples.hgn_pose.lifting.outputs.smpl_parameters import smpl_parameters
from examples.hgn_pose.lifting.outputs.tables import table, trc
from examples.hgn_pose.lifting.over_time.trajectory import scene_axes
from examples.hgn_pose.lifting.prediction import select

FRAMES = 15


@pytest.fixture(scope="module")
def clip():
    """The built-in body in frames of a man who gets up: no bone stays at rest."""
    whole = truth(film("getup_faceup", 1))
    return with_body(load_body(), select(whole, np.arange(60, 60 + 3 * FRAMES, 3)))


@pytest.fixture(scope="module")
def smpl(tmp_path_factory):
    """A body in the form of SMPL's, in the same frames."""
    path = tmp_path_factory.mktemp("smpl") / "model.npz"
    write_smpl(path)
    body = load_smpl(path).with_joints("skeleton17")
    return with_body(body, select(truth(film("walk", 0)), np.arange(8)))


def bone_heads(clip):
    """World place of every bone's head, y up: by the affine maps of the bones."""
    shape = clip.poses.shape(clip.body, 0)
    transforms = bone_transforms(clip.body, shape.heads[None], clip.poses).numpy()
    heads = np.concatenate([shape.heads, np.ones((len(shape.heads), 1))], axis=1)
    return np.einsum("jact,jc->tja", transforms, heads) @ Y_UP.T


def test_the_scene_stands_on_its_floor_and_the_body_on_the_joints(clip):
    lowest = drawn_body(clip.body).posed(clip.body, clip.poses)[..., 2].min()
    assert abs(lowest) < 1e-5
    away = joint_positions(clip.body, clip.poses) - clip.joints
    np.testing.assert_allclose(1000 * np.linalg.norm(away, axis=2).mean(1), clip.error, rtol=1e-3)
    assert clip.error.mean() < 10
    relative = clip.joints - clip.joints[:, :1]
    axes = scene_axes(np.array(LEVEL))
    np.testing.assert_allclose(axes, [[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    np.testing.assert_allclose(relative @ axes, clip.prediction.pose, atol=1e-6)


def test_a_root_moves_the_whole_clip(clip):
    root = np.linspace([0, 0, 4], [1, -0.2, 5], FRAMES)
    moved = with_body(clip.body, replace(clip.prediction, root=root))
    steps = np.diff(moved.joints - clip.joints, axis=0)
    np.testing.assert_allclose(
        steps, np.diff(root[:, [0, 2, 1]] * [1, 1, -1], axis=0)[:, None].repeat(17, 1), atol=1e-6
    )


@pytest.mark.parametrize("which", ["clip", "smpl"])
def test_bvh_read_back_has_the_bones_where_the_body_has_them(which, request, tmp_path):
    clip = request.getfixturevalue(which)
    (tmp_path / "clip.bvh").write_bytes(bvh(clip))
    read = read_bvh(tmp_path / "clip.bvh")
    assert read.fps == pytest.approx(1 / np.diff(clip.seconds).mean(), rel=1e-4)
    expected = bone_heads(clip)
    for bone, name in enumerate(bone_names(clip.body)):
        assert np.abs(read.points[name] - expected[:, bone]).max() < 1e-4  # a tenth of a mm


def test_bvh_turns_without_leaps(clip):
    text = bvh(clip).decode()
    rows = np.loadtxt(io.StringIO(text.split("Frame Time:")[1].split("\n", 1)[1]))
    assert rows.shape == (FRAMES, 3 + 3 * len(clip.body.parents))
    assert np.abs(np.diff(rows[:, 3:], axis=0)).max() < 180


def test_bvh_opens_in_another_reader(clip):
    bvh_package = pytest.importorskip("bvh", reason="the package bvh is not installed")
    read = bvh_package.Bvh(bvh(clip).decode())
    assert read.nframes == FRAMES
    assert set(read.get_joints_names()) == set(clip.body.bones)


@pytest.fixture(scope="module")
def glb_files(clip, smpl, tmp_path_factory):
    pytest.importorskip("pygltflib", reason="pygltflib is not installed")
    folder = tmp_path_factory.mktemp("glb")
    for name, one in (("clip", clip), ("smpl", smpl)):
        (folder / f"{name}.glb").write_bytes(gltf.glb(one))
    return folder


def values_of(file, number):
    """The array of an accessor."""
    accessor = file.accessors[number]
    view = file.bufferViews[accessor.bufferView]
    kind = {5123: "<u2", 5125: "<u4", 5126: "<f4"}[accessor.componentType]
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}[accessor.type]
    array = np.frombuffer(file.binary_blob(), kind, accessor.count * width, view.byteOffset)
    return array.reshape(accessor.count, width)


def skinned(file, frame):
    """Vertices of a frame as the specification of glTF says: 3.7.3.3, in homogeneous matrices."""
    animation = file.animations[0]
    local = []
    for number, node in enumerate(file.nodes):
        place, turn = np.array(node.translation or [0, 0, 0.0]), np.array([0, 0, 0, 1.0])
        for channel in animation.channels:
            if channel.target.node == number:
                value = values_of(file, animation.samplers[channel.sampler].output)[frame]
                if channel.target.path == "translation":
                    place = value
                else:
                    turn = value
        x, y, z, w = turn
        matrix = np.eye(4)
        matrix[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
        matrix[:3, 3] = place
        local.append(matrix)
    world = {}

    def visit(number, above):
        world[number] = above @ local[number]
        for child in file.nodes[number].children:
            visit(child, world[number])

    visit(0, np.eye(4))
    skin = file.skins[0]
    inverse = values_of(file, skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
    matrices = np.stack([world[joint] @ inverse[k] for k, joint in enumerate(skin.joints)])
    attributes = file.meshes[0].primitives[0].attributes
    rest = values_of(file, attributes.POSITION)
    rest = np.concatenate([rest, np.ones((len(rest), 1))], axis=1)
    joints, weights = values_of(file, attributes.JOINTS_0), values_of(file, attributes.WEIGHTS_0)
    blended = (matrices[joints] * weights[..., None, None]).sum(axis=1)
    return (blended @ rest[..., None])[:, :3, 0]


def test_glb_skinned_as_its_specification_says_is_our_body(clip, glb_files):
    import pygltflib

    file = pygltflib.GLTF2().load(str(glb_files / "clip.glb"))
    shape = clip.poses.shape(clip.body, 0)
    every = replace(drawn_body(clip.body), vertices=np.arange(clip.body.num_vertices))
    bones, weights = main_bones(clip.body, every.vertices)
    four = replace(every, bones=bones, weights=weights).posed(clip.body, clip.poses)
    whole = linear_blend_skinning(clip.body, shape, clip.poses)
    for frame in (0, 7, FRAMES - 1):
        found = skinned(file, frame) @ Y_UP
        assert np.abs(found - four[frame]).max() < 1e-4
        away = np.linalg.norm(found - whole[frame], axis=1)
        assert away.mean() < 1e-3
        assert away.max() < 0.03  # of four bones instead of all
    assert [node.name for node in file.nodes[:-1]] == list(clip.body.bones)
    times = values_of(file, file.animations[0].samplers[0].input).ravel()
    np.testing.assert_allclose(times, clip.seconds, rtol=1e-6)


def test_glb_opens_in_trimesh_with_the_body_at_rest(clip, smpl, glb_files):
    trimesh = pytest.importorskip("trimesh")
    for name, one in (("clip", clip), ("smpl", smpl)):
        [mesh] = trimesh.load(glb_files / f"{name}.glb").geometry.values()
        rig = rig_of(one)
        np.testing.assert_allclose(mesh.bounds[1], rig.vertices.max(axis=0), atol=1e-4)
        assert len(mesh.faces) == len(one.body.faces)
        assert mesh.bounds[1][1] - mesh.bounds[0][1] > 1.4  # y is up
        assert mesh.volume > 0.03  # faces look outwards


def test_tables_have_the_joints_where_they_are(clip):
    rows = list(csv.DictReader(io.StringIO(table(clip).decode())))
    read = [[[float(row[f"{name}_{axis}"]) for axis in "xyz"] for name in JOINTS] for row in rows]
    np.testing.assert_allclose(read, clip.joints, atol=1e-6)
    assert [int(row["frame"]) for row in rows] == clip.prediction.frame.tolist()
    lines = trc(clip).decode().split("\n")
    assert lines[2].split("\t")[2:5] == [str(FRAMES), "17", "m"]
    assert [name for name in lines[3].split("\t")[2:] if name] == list(JOINTS)
    values = np.loadtxt(lines[6:-1])
    np.testing.assert_allclose(values[:, 1], clip.seconds, atol=1e-6)
    np.testing.assert_allclose(values[:, 2:].reshape(FRAMES, 17, 3) @ Y_UP, clip.joints, atol=1e-5)


def test_smpl_parameters_pose_the_model_again(smpl):
    with np.load(io.BytesIO(smpl_parameters(smpl))) as read:
        betas = np.tile(read["betas"], (len(smpl), 1))
        poses = smpl.body.poses(read["poses"], betas, read["trans"])
    away = joint_positions(smpl.body, poses) - joint_positions(smpl.body, smpl.poses)
    assert np.abs(away).max() < 1e-5


def test_smpl_parameters_need_a_model(clip):
    with pytest.raises(ValueError, match="give --smpl-model FILE"):
        smpl_parameters(clip)


@pytest.fixture(scope="module")
def pictures(clip):
    return list(video.pictures(clip))


def test_pictures_show_both_sides_and_move(pictures):
    assert len(pictures) == FRAMES
    for side in (np.s_[60:, :480], np.s_[60:, 480:]):
        first, last = pictures[0][side].astype(int), pictures[-1][side].astype(int)
        assert (first.min(axis=2) < 235).mean() > 0.01
        assert (np.abs(first - last).max(axis=2) > 40).mean() > 0.01


def test_gif_has_every_picture(clip, pictures):
    with Image.open(io.BytesIO(video.gif(clip))) as file:
        assert sum(1 for _ in ImageSequence.Iterator(file)) == FRAMES
        assert file.info["duration"] == 50
        file.seek(FRAMES - 1)
        shown = np.asarray(file.convert("RGB")).astype(int)
    assert np.abs(shown - pictures[-1]).mean() < 5


# imageio-ffmpeg leaves pipes to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_mp4_has_every_picture(clip, pictures, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="imageio-ffmpeg is not installed")
    path = tmp_path / "clip.mp4"
    path.write_bytes(video.mp4(clip))
    reader = ffmpeg.read_frames(str(path))
    facts = next(reader)
    assert facts["size"] == (960, 540)
    assert facts["fps"] == pytest.approx(1 / np.diff(clip.seconds).mean(), rel=0.01)
    frames = [np.frombuffer(frame, np.uint8).reshape(540, 960, 3) for frame in reader]
    del reader
    gc.collect()
    assert len(frames) == FRAMES
    assert np.abs(frames[-1].astype(int) - pictures[-1]).mean() < 4


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["a", "b"], "out names 2 folders, a and b"),
        (["walk.fbx"], "walk.fbx is no file that can be written"),
        (["walk.npz"], "endings: .bvh, .glb"),
    ],
)
def test_files_of_other_kinds_are_refused(paths, message):
    with pytest.raises(ValueError, match=message):
        destinations([Path(path) for path in paths])


def test_files_of_several_people_are_numbered():
    where = destinations([Path("runs/all"), Path("a/walk.smpl.npz")]).numbered(3)
    assert where.folder == Path("runs/all/person-3")
    assert where.files == ((".smpl.npz", Path("a/walk-3.smpl.npz")),)


def test_the_drawn_body_lies_on_the_whole_one():
    trimesh = pytest.importorskip("trimesh")
    body = load_body()
    drawn = drawn_body(body)
    assert len(drawn) == 2500
    whole = trimesh.Trimesh(body.rest_vertices, body.faces, process=False)
    few = trimesh.Trimesh(body.rest_vertices[drawn.vertices], drawn.faces, process=False)
    assert few.is_watertight
    assert few.volume == pytest.approx(whole.volume, rel=0.02)
    np.testing.assert_allclose(few.bounds, whole.bounds, atol=0.005)
