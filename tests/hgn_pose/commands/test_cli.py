import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import generated
import numpy as np
import pytest
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.body.built_in import load_body
from examples.hgn_pose.body.poses import BodyPose
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.datasets.readers.cmu17 import CMU17_JOINTS
from examples.hgn_pose.fitting.fitter import joint_errors
from examples.hgn_pose.samples.augmentation import Augmentation
from examples.hgn_pose.training.trainer import Trainer

QUICK = ["--train-every", "60", "--test-every", "60", "--device", "cpu"]
TRAIN = ["train", "--channels", "4", "--batch-size", "64", "--schedule", "step", *QUICK]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One epoch, then another one resumed."""
    out = tmp_path_factory.mktemp("run")
    main([*TRAIN, "--epochs", "1", "--out", str(out)])
    main([*TRAIN, "--epochs", "2", "--out", str(out), "--resume"])
    return out


def test_train_writes_weights_state_and_figures(run):
    names = {path.name for path in run.iterdir()}
    assert names == {"weights.safetensors", "state.safetensors", "metrics.json"}
    metrics = json.loads((run / "metrics.json").read_text())
    assert [record["epoch"] for record in metrics["history"]] == [0, 1]
    assert metrics["network"] == "hgn"
    assert set(metrics["scores"]["mpvpe_mm"]) == {"48", "96"}


def test_resuming_is_the_same_as_not_stopping(run, tmp_path):
    main([*TRAIN, "--epochs", "2", "--out", str(tmp_path)])
    for name in ("weights.safetensors", "state.safetensors"):
        assert (tmp_path / name).read_bytes() == (run / name).read_bytes()


def test_evaluate_finds_what_train_found(run, capsys):
    main(["evaluate", str(run / "weights.safetensors"), *QUICK])
    printed = capsys.readouterr().out
    trained = json.loads((run / "metrics.json").read_text())["scores"]
    evaluated = json.loads((run / "weights.evaluation.json").read_text())["scores"]
    assert evaluated == trained
    assert f"{trained['mpjpe_mm']:.1f}"[:-1] in printed


def test_no_mesh_weight_is_said(tmp_path, capsys):
    main([*TRAIN, "--epochs", "1", "--lambda-mesh", "0", "--out", str(tmp_path)])
    assert "the coarse meshes are neither trained nor measured" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["scores"]["mpvpe_mm"] == {}


def write_cmu17(path, performers):
    """Two built-in clips, every 20th frame, in the form of cmu17; returns the frames taken."""
    motion = load_builtin()
    kept = np.flatnonzero(np.isin(motion.clip, [3, 4]))[::20]
    np.savez(
        path,
        positions_3d=motion.positions[kept],
        clip=(motion.clip[kept] - 3).astype(np.int16),
        clip_subject=np.array(performers),
        clip_name=np.array([f"{performer:02}_01" for performer in performers]),
        clip_action=np.array(["dance", "dance"]),
        joints=np.array(CMU17_JOINTS),
        fps=np.array(40),
    )
    return motion.select(kept)


def test_cmu17_is_read_from_the_path_given(tmp_path, monkeypatch):
    path = tmp_path / "cmu17.npz"
    write_cmu17(path, [1, 7])
    options = ["--epochs", "1", "--network", "mlp", "--channels", "4", "--data", "cmu17"]
    main(["train", *options, "--data-path", str(path), "--out", str(tmp_path / "a")])
    monkeypatch.setenv("MULTISCALE_GCN_CMU17", str(path))
    main(["train", *options, "--out", str(tmp_path / "b")])
    first, second = (tmp_path / name / "weights.safetensors" for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    split = json.loads((tmp_path / "a" / "metrics.json").read_text())["split"]
    assert split["train_clips"] == ["01_01"]
    assert split["test_clips"] == ["07_01"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--data", "cmu17"], "set the environment variable MULTISCALE_GCN_CMU17"),
        (["train", "--data", "cmu17", "--data-path", "/no/such.npz"], "no file /no/such.npz"),
        (["train", "--device", "quantum"], "device 'quantum' is unknown"),
        (["train", "--device", "mps:9"], "device 'mps:9' cannot be used"),
        (["train", "--threads", "0"], "threads must be at least 1"),
        (["train", "--network", "mlp", "--without", "48"], "and mlp has none"),
        (["train", "--epochs", "0"], "epochs must be at least 1, got 0"),
        (["train", "--learning-rate", "nan"], "learning_rate must be positive, got nan"),
        (["train", "--train-every", "0"], "train_every must be at least 1, got 0"),
        (["evaluate", "--test-every", "-3"], "test_every must be at least 1, got -3"),
        (["evaluate", "/no/weights.safetensors"], "no file /no/weights.safetensors"),
        (["train", "--resume", "--out", "/no/such", *QUICK], "no file /no/such/state.safetensors"),
    ],
)
def test_bad_input_ends_with_a_message(arguments, message, monkeypatch):
    monkeypatch.delenv("MULTISCALE_GCN_CMU17", raising=False)
    with refused() as refusal:
        main(arguments)
    assert message in refusal.message


@pytest.mark.parametrize("command", ["demo", "train", "fit", "robustness"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(command, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.touch()
    with refused() as refusal:
        main([command, "--out", str(blocked / "run")])
    assert refusal.message.startswith(f"results cannot be written to the folder {blocked}")
    assert capsys.readouterr().out == ""


def test_a_folder_in_the_place_of_a_file_is_refused(run):
    with refused() as refusal:
        main(["evaluate", str(run / "weights.safetensors"), "--out", str(run), *QUICK])
    assert refusal.message == f"{run} is a folder; give the name of a file\n"


def test_resuming_with_other_options_is_refused(run):
    with refused() as refusal:
        main([*TRAIN, "--epochs", "3", "--out", str(run), "--resume", "--seed", "5"])
    assert "options.seed is 0, not 5" in refusal.message


def test_help_names_the_commands():
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-m", "examples.hgn_pose", "--help"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    for command in ("demo", "train", "evaluate", "predict", "view", "sample", "params"):
        assert command in done.stdout


def test_robust_training_is_one_option_and_goes_on(tmp_path):
    options = [*TRAIN, "--network", "semgcn", "--robust", "--out", str(tmp_path)]
    main([*options, "--epochs", "1"])
    main([*options, "--epochs", "2", "--resume"])
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert len(metrics["history"]) == 2
    assert metrics["options"]["facing"] is True
    varied = metrics["training"]["augmentation"]
    assert varied == Augmentation().robust().as_json()
    main(["evaluate", str(tmp_path / "weights.safetensors"), *QUICK])


@pytest.mark.parametrize("command", ["demo", "train", "evaluate"])
def test_every_option_is_explained(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "--data {auto,builtin,arrays,cmu17," in text
    assert "--threads" in text
    assert "(required)" not in text


def test_params_prints_the_papers_rows(capsys):
    main(["params"])
    assert "1.04 M" in capsys.readouterr().out


def test_fit_prints_errors_by_performer_and_writes_the_bodies(tmp_path, capsys):
    path = tmp_path / "cmu17.npz"
    motion = write_cmu17(path, [7, 1])
    out = tmp_path / "fit"
    options = ["--data", "cmu17", "--data-path", str(path), "--device", "cpu", "--out", str(out)]
    main(["fit", *options])
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[1:4]] == ["1", "7", "all"]
    figures = json.loads((out / "fit.json").read_text())["figures"]
    with np.load(out / "bodies.npz", allow_pickle=False) as stored:
        bodies = {name: stored[name] for name in stored.files}
    assert bodies["performer"].tolist() == [[7, 1][k - 3] for k in motion.clip]
    for row, name in zip(figures, (1, 7), strict=False):
        error = bodies["fit_error"][bodies["performer"] == name]
        assert row["frames"] == len(error)
        assert row["mean_mm"] == pytest.approx(error.mean(), abs=0.01)
        assert row["refused"] == (~bodies["accepted"][bodies["performer"] == name]).sum()
    poses = BodyPose(**{field.name: bodies[field.name] for field in fields(BodyPose)})
    found = joint_errors(load_body(), poses, motion.positions)
    np.testing.assert_allclose(found, bodies["fit_error"], atol=1e-3)


@pytest.mark.parametrize(("left_out", "kept"), [("48", 96), ("96", 48)])
def test_the_papers_ablations_are_trained_and_used_like_the_whole(left_out, kept, tmp_path):
    out = tmp_path / "run"
    weights = str(out / "weights.safetensors")
    main([*TRAIN, "--epochs", "1", "--without", left_out, "--out", str(out)])
    main(["evaluate", weights, *QUICK])
    for name in ("metrics.json", "weights.evaluation.json"):
        assert set(json.loads((out / name).read_text())["scores"]["mpvpe_mm"]) == {str(kept)}
    main(["sample", "--out", str(out / "k.json")])
    main(["predict", str(out / "k.json"), "--weights", weights, "--no-page", "--out", str(out)])
    with np.load(out / "prediction.npz") as stored:
        assert stored["mesh_sizes"].tolist() == [kept]


def test_networks_with_different_meshes_share_no_figures(run, tmp_path):
    main([*TRAIN, "--epochs", "1", "--without", "48", "--out", str(tmp_path)])
    both = [str(folder / "weights.safetensors") for folder in (run, tmp_path)]
    with refused() as refusal:
        main(["figures", *both, *QUICK, "--out", str(tmp_path)])
    assert "predict different meshes, of [(48, 96), (96,)] nodes" in refusal.message
    main(
        ["train", "--network", "semgcn", *TRAIN[1:], "--epochs", "1", "--out", str(tmp_path / "s")]
    )
    baseline = str(tmp_path / "s" / "weights.safetensors")
    main(["figures", both[1], baseline, *QUICK, "--out", str(tmp_path)])
    assert (tmp_path / "figure5.png").stat().st_size > 10_000


def test_resuming_on_other_2d_joints_is_refused(tmp_path):
    folder = tmp_path / "h36m"
    generated.write_h36m_npz(folder)
    name = "cpn_ft_h36m_dbb"
    options = ["train", "--network", "mlp", "--channels", "4", "--device", "cpu"]
    data = ["--data", "h36m-npz", "--data-path", str(folder)]
    main([*options, *data, "--epochs", "1", "--out", str(tmp_path / "a")])
    more = ["--epochs", "2", "--keypoints", name, "--out", str(tmp_path / "a"), "--resume"]
    with refused() as refusal:
        main([*options, *data, *more])
    assert f"facts.keypoints is 'gt', not '{name}'" in refusal.message


def test_an_interruption_says_how_to_go_on(monkeypatch, tmp_path):
    def stop(trainer, *hooks):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "steps_to_go", stop)
    with pytest.raises(SystemExit) as ended:
        main([*TRAIN, "--epochs", "1", "--out", str(tmp_path)])
    assert str(ended.value).startswith("interrupted; train --resume goes on")


def test_an_earlier_run_is_not_overwritten(tmp_path):
    state = tmp_path / "state.safetensors"
    state.write_bytes(b"hours of work")
    with refused("holds an earlier run; --resume goes on with it"):
        main([*TRAIN, "--epochs", "1", "--out", str(tmp_path)])
    assert state.read_bytes() == b"hours of work"
