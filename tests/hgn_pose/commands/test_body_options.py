"""Commands with a model file of SMPL: a data set's own parameters, and bodies fitted to joints."""

import json
from dataclasses import replace

import generated
import numpy as np
import pytest
import torch
from generated_smpl import joint_regressor, smpl_arrays, write_smpl
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.body.built_in import BUILT_IN
from examples.hgn_pose.body.coarse import MESH_SIZES, coarsen_body
from examples.hgn_pose.body.options import BodyOptions
from examples.hgn_pose.body.skinning import joint_positions, linear_blend_skinning
from examples.hgn_pose.body.smpl import SmplBody
from examples.hgn_pose.body.smpl_files import load_smpl
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.datasets.readers.h36m_json import load_h36m_json
from examples.hgn_pose.fitting.fitted_motion import with_bodies
from examples.hgn_pose.fitting.fitter import fit
from examples.hgn_pose.network.weights import read_passport
from examples.hgn_pose.samples.gathering import gather
from examples.hgn_pose.samples.mesh_targets import mesh_targets
from examples.hgn_pose.samples.preparing import prepare_data
from examples.hgn_pose.samples.samples import RecordedSamples

CPU = torch.device("cpu")
FRAMES = 11
TRAIN = ["--channels", "4", "--batch-size", "16", "--epochs", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A model file, a regressor, and annotations whose joints are those of posed bodies."""
    folder = tmp_path_factory.mktemp("h36m")
    model = write_smpl(folder / "SMPL_NEUTRAL.npz")
    np.save(folder / "J_regressor.npy", joint_regressor())
    options = BodyOptions(model, folder / "J_regressor.npy")
    body = options.load("human36m17")
    assert isinstance(body, SmplBody)
    plain = load_smpl(model).with_joints("skeleton17")
    random = np.random.default_rng(0)
    bodies = {}
    for take, positions in generated.takes(FRAMES).items():
        found, _ = fit(plain, positions.astype(np.float32), np.zeros(len(positions), int))
        parameters = body.parameters(found)
        shape = parameters.shape + random.normal(0, 0.2, parameters.shape.shape)
        poses = body.poses(parameters.pose, shape.clip(-2.5, 2.5), parameters.translation)
        bodies[take] = joint_positions(body, poses), body.parameters(poses)
    generated.write_h36m_json(folder / "annotations", frames=FRAMES, bodies=bodies)
    return folder, options, body


def arguments(files):
    folder, options, _ = files
    return [
        *("--data", "h36m-json", "--data-path", str(folder)),
        *("--body-model", str(options.body_model)),
        *("--joint-regressor", str(options.joint_regressor)),
    ]


def test_coarse_targets_are_those_of_the_posed_mesh(files):
    folder, options, body = files
    recording = load_h36m_json(folder, train_every=5)
    motion = with_bodies(body, recording.motion, None)
    assert motion.poses is not None
    assert motion.fit_error is not None
    assert motion.fit_error.max() < 0.1
    assert len(np.unique(motion.poses.person)) > len(motion) / 2  # shapes differ between frames
    hierarchy = coarsen_body(body)
    levels = [hierarchy.level(size) for size in MESH_SIZES]
    matrices = [hierarchy.restriction(0, level.index, "mean") for level in levels]
    targets = mesh_targets(body, motion, matrices)
    for frame in range(0, len(motion), 7):
        shape = motion.poses.shape(body, motion.poses.person[frame])
        [full] = linear_blend_skinning(body, shape, motion.poses.select(slice(frame, frame + 1)))
        for matrix, found in zip(matrices, targets, strict=True):
            np.testing.assert_allclose(found[frame], matrix @ full, atol=2e-6)

    prepared = prepare_data(
        DataOptions("h36m-json", folder, body=options), CPU, mesh_sizes=MESH_SIZES
    )
    samples = prepared.train
    assert isinstance(samples, RecordedSamples)
    rows = torch.arange(len(samples))
    batch = samples.batch(prepared.cameras, rows, torch.zeros_like(rows))
    assert batch.fitted.all()
    assert samples.fitted.numel() < len(rows)  # four cameras
    frames, camera = samples.frame[5:6], samples.camera[5:6]
    pelvis = prepared.cameras.to_camera(samples.positions[frames, :1], camera)
    seen = prepared.cameras.to_camera(samples.meshes[0][frames], camera)
    torch.testing.assert_close(batch.meshes[0][5:6], seen - pelvis)
    assert batch.meshes[0].norm(dim=-1).max() < 1.5  # metres


def changed(folder, **changes):
    """The motion of the annotations with other SMPL parameters."""
    motion = load_h36m_json(folder).motion
    assert motion.smpl is not None
    return replace(motion, smpl=replace(motion.smpl, **changes))


def errors(body, motion):
    fitted = with_bodies(body, motion, None)
    assert fitted.fit_error is not None
    return fitted.fit_error


def test_frames_that_do_not_fit_are_refused(files, tmp_path, capsys):
    folder, _, body = files
    pose = changed(folder).smpl.pose.copy()
    pose[3, 3:6] += [0, 0, 2.0]  # a thigh
    motion = changed(folder, pose=pose)
    error = errors(body, motion)
    assert np.flatnonzero(error > 25).tolist() == [3]
    count = len(motion)
    assert f"{count - 1} of {count} frames fit within 25 mm" in capsys.readouterr().out
    assert not gather(
        replace(load_h36m_json(folder), motion=replace(motion, fit_error=error))
    ).fitted[3]
    big = load_smpl(write_smpl(tmp_path / "big.npz", **doubled()))
    with pytest.raises(ValueError, match=r"no frame of .* the body_model is another one than they"):
        with_bodies(big, motion, None)


def doubled():
    arrays = smpl_arrays()
    return {name: 2 * arrays[name] for name in ("v_template", "shapedirs")}


def test_a_shift_of_the_whole_body_is_no_misfit(files):
    folder, _, body = files
    translation = changed(folder).smpl.translation + 0.1
    assert errors(body, changed(folder, translation=translation)).max() < 0.1


@pytest.fixture(scope="module")
def weights(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("weights")
    for network in ("hgn", "semgcn"):
        main(
            ["train", *arguments(files), *TRAIN, "--network", network, "--out", str(out / network)]
        )
    return {network: out / network / "weights.safetensors" for network in ("hgn", "semgcn")}


def test_weights_say_which_body_they_are_of(files, weights):
    assert read_passport(weights["hgn"]).facts["body"] == files[2].name


def test_evaluate_finds_what_train_found(files, weights, tmp_path, capsys):
    out = tmp_path / "found.json"
    main(["evaluate", str(weights["hgn"]), *arguments(files), "--out", str(out)])
    found = json.loads(out.read_text())
    trained = json.loads((weights["hgn"].parent / "metrics.json").read_text())
    assert found["scores"] == trained["scores"]
    assert set(found["scores"]["mpvpe_mm"]) == {"48", "96"}
    assert found["split"]["body"] == files[2].name
    assert "frames fit within 25 mm" in capsys.readouterr().out


def test_another_body_is_refused(files, weights, tmp_path):
    name = files[2].name.replace("(", r"\(").replace(")", r"\)")
    with refused(
        f"works on the graphs of {name}, but here is {BUILT_IN}; .* with --body-model",
    ):
        main(["evaluate", str(weights["hgn"]), "--data", "builtin", "--no-meshes"])
    other = write_smpl(tmp_path / "other.npz", v_template=1.01 * smpl_arrays()["v_template"])
    with refused(f"of {name}, but here is an SMPL body of 900"):
        main(["evaluate", str(weights["hgn"]), "--body-model", str(other), "--no-meshes"])
    model = ["--body-model", str(files[1].body_model)]
    with refused(f"of {BUILT_IN}, but here is {name}; leave --body-model"):
        main(["evaluate", "--no-meshes", *model])


def test_a_network_without_meshes_needs_no_body(weights, tmp_path):
    out = ["--out", str(tmp_path / "found.json")]
    main(["evaluate", str(weights["semgcn"]), "--data", "builtin", "--test-every", "40", *out])


def test_the_other_commands_take_the_body(files, weights, tmp_path, capsys):
    both = [str(weights["hgn"]), str(weights["semgcn"])]
    main(["figures", *both, *arguments(files), "--out", str(tmp_path / "figures")])
    assert (tmp_path / "figures" / "figure5.png").is_file()
    noise = ["--noise", "jitter", "--levels", "0", "10"]
    main(["robustness", *both, *noise, *arguments(files), "--out", str(tmp_path / "noise")])
    assert (tmp_path / "noise" / "robustness.json").is_file()
    capsys.readouterr()
    main(["check-data", *arguments(files)])
    printed = capsys.readouterr().out
    assert f"body: {files[2].name}, with a mirror" in printed
    assert [line.split()[0] for line in printed.splitlines()[-2:]] == ["S1", "S9"]


def test_predict_takes_the_body(files, weights, tmp_path):
    keypoints = tmp_path / "keypoints.json"
    main(["sample", "--out", str(keypoints), "--clip", "jump"])
    chosen = [str(keypoints), "--weights", str(weights["hgn"]), "--out", str(tmp_path)]
    main(["predict", *chosen, "--body-model", str(files[1].body_model), "--no-page"])
    with np.load(tmp_path / "prediction.npz") as found:
        assert found["mesh96_vertices"].shape[1:] == (96, 3)
    with refused("give its model file with --body-model"):
        main(["predict", *chosen, "--no-page"])


def test_fit_prints_a_table_and_writes_parameters(files, tmp_path, capsys):
    out = ["--out", str(tmp_path)]
    main(["fit", *arguments(files), *out])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == ("performer  frames  mean mm  median   95 %  worst  < 25 mm  ms a pose")
    assert [line.split()[0] for line in printed[1:4]] == ["S1", "S9", "all"]
    recording = load_h36m_json(files[0])
    with np.load(tmp_path / "bodies.npz") as found:
        assert found["fit_error"].max() < 25
        assert found["pose"].shape == (len(recording.motion), 72)
        assert found["shape"].shape == (len(recording.motion), 10)
        body = files[2]
        poses = body.poses(found["pose"], found["shape"], found["trans"])
        away = joint_positions(body, poses) - recording.motion.positions
    errors = 1000 * np.linalg.norm(away, axis=-1).mean(axis=1)
    with np.load(tmp_path / "bodies.npz") as found:
        np.testing.assert_allclose(errors, found["fit_error"], atol=0.01)
    assert json.loads((tmp_path / "fit.json").read_text())["body"] == body.name


def test_bodies_are_fitted_where_no_parameters_are(files, tmp_path):
    """Built-in poses are of the built-in body, so they are not taken for SMPL."""
    options = DataOptions(
        "builtin", body=BodyOptions(files[1].body_model), test_every=60, fit_cache=tmp_path
    )
    prepared = prepare_data(options, CPU, mesh_sizes=MESH_SIZES, test_only=True)
    assert prepared.test.single.meshes[0].shape[1:] == (48, 3)
    kept = sorted(path.name.split("-")[0] for path in tmp_path.iterdir())
    assert kept == ["fit", "meshes", "meshes"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--joint-regressor", "r.npy"], "joint_regressor is for the vertices of a body_model"),
        (["--body-model", "none.npz"], "there is no file none.npz"),
        (["--body-model", "none.obj"], r"is no \.npz or \.pkl file"),
    ],
)
def test_wrong_bodies_are_refused(options, message):
    with refused(message):
        main(["train", *options])


def test_a_regressor_of_other_joints_is_refused(files):
    options = arguments(files)
    options[1:4] = ["builtin"]
    with refused("leave joint_regressor out"):
        main(["train", *options])


def test_parameters_of_other_bones_are_refused(files, tmp_path):
    arrays = smpl_arrays()
    count = 22
    model = write_smpl(
        tmp_path / "short.npz",
        weights=arrays["weights"][:, :count] / arrays["weights"][:, :count].sum(1, keepdims=True),
        posedirs=arrays["posedirs"][..., : 9 * (count - 1)],
        J_regressor=arrays["J_regressor"][:count],
        kintree_table=arrays["kintree_table"][:, :count],
    )
    data = ["--data", "h36m-json", "--data-path", str(files[0])]
    with refused("SMPL parameters of 24 bones, but body_model is an SMPL"):
        main(["train", *data, "--body-model", str(model)])
