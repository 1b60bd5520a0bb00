"""The table command: trains what is missing, goes on where it stopped, and writes."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from generated import write_3dhp_published, write_cmu17, write_h36m_npz
from refusals import refused

import examples.hgn_pose.commands.table as command
from examples.hgn_pose.__main__ import main
from examples.hgn_pose.datasets.catalogue import CATALOGUE
from examples.hgn_pose.datasets.readers.builtin import load_builtin
from examples.hgn_pose.network.building import NetworkOptions
from examples.hgn_pose.tables.table import Entry, Table
from examples.hgn_pose.training.trainer import Trainer

SMALL = Table(
    "start",
    "Small networks",
    ("mpjpe", "mpvpe_48"),
    (
        Entry("HGN", NetworkOptions("hgn", 4), paper={"mpjpe": 37.32}),
        Entry("MLP", NetworkOptions("mlp", 2)),
    ),
)
OPTIONS = ["table", "start", "--train-every", "60", "--test-every", "60", "--device", "cpu"]


@pytest.fixture
def arguments(monkeypatch, tmp_path):
    monkeypatch.setitem(command.TABLES, "start", SMALL)
    return [*OPTIONS, "--seeds", "0", "1", "--epochs", "2", "--out", str(tmp_path)]


def test_a_table_is_written_with_its_runs(arguments, tmp_path, capsys):
    main(arguments)
    text = (tmp_path / "table-start.md").read_text()
    assert "| HGN | 4 |" in text
    assert "builtin, 2 epochs, batches of 64, seeds 0, 1" in text
    assert (tmp_path / "table-start.png").read_bytes().startswith(b"\x89PNG")
    assert text.splitlines()[-1] in capsys.readouterr().out
    metrics = json.loads((tmp_path / "mlp-2" / "seed1" / "metrics.json").read_text())
    assert metrics["training"]["seed"] == 1


def test_a_line_may_have_an_augmentation_of_its_own(arguments, tmp_path, monkeypatch):
    usual = Entry("MLP", NetworkOptions("mlp", 2))
    other = replace(usual, label="swung", augmentation={"swing": 5.0})
    monkeypatch.setitem(command.TABLES, "start", Table("start", "Two", ("mpjpe",), (usual, other)))
    main([*arguments, "--augmentation.size", "0.2"])
    read = [
        json.loads((tmp_path / folder / "seed0" / "metrics.json").read_text())["training"]
        for folder in ("mlp-2", "mlp-2-swing5")
    ]
    plain, swung = (one["augmentation"] for one in read)
    assert plain["size"] == 0.2
    assert swung == {**plain, "swing": 5.0}


def test_networks_of_a_frame_and_of_clips_share_a_table(arguments, tmp_path, monkeypatch):
    """Side by side, each with its samples."""
    choices = [("mlp", None), ("spatio_temporal", 1), ("spatio_temporal", 3)]
    entries = (Entry(name, NetworkOptions(name, 2, frames=frames)) for name, frames in choices)
    mixed = Table("start", "Mixed", ("mpjpe",), tuple(entries))
    monkeypatch.setitem(command.TABLES, "start", mixed)
    main(arguments)
    text = (tmp_path / "table-start.md").read_text()
    assert text.count("| spatio_temporal | 2 |") == 2
    for folder in ("mlp-2", "spatio_temporal-2-frames1", "spatio_temporal-2-frames3"):
        alone = tmp_path / folder / "seed1"
        scores = json.loads((alone / "metrics.json").read_text())["scores"]
        main(["evaluate", str(alone / "weights.safetensors"), *OPTIONS[4:], "--data", "builtin"])
        found = json.loads((alone / "weights.evaluation.json").read_text())["scores"]
        assert found == scores


def test_runs_that_are_over_are_left_alone_and_others_go_on(arguments, tmp_path, monkeypatch):
    main(arguments)
    expected = (tmp_path / "table-start.md").read_text()
    stopped = tmp_path / "hgn-4-mesh0.01" / "seed0"
    (stopped / "metrics.json").unlink()
    trained = []
    steps = Trainer.steps_to_go

    def counted(trainer, *hooks):
        trained.append((trainer.options.seed, len(trainer.records)))
        return steps(trainer, *hooks)

    monkeypatch.setattr(Trainer, "steps_to_go", counted)
    main(arguments)
    assert trained == [(0, 2)]
    assert (tmp_path / "table-start.md").read_text() == expected


def test_runs_of_other_options_are_not_taken(arguments, tmp_path):
    main(arguments)
    with refused("they are of a run with other options; remove the folder"):
        main([*arguments, "--learning-rate", "0.5"])


def test_a_table_on_held_out_people_has_a_folder_of_its_own(arguments, tmp_path, monkeypatch):
    motion = load_builtin()
    clips = [replace(clip, performer=1 + k % 2) for k, clip in enumerate(motion.clips)]
    monkeypatch.setitem(
        CATALOGUE,
        "builtin",
        replace(CATALOGUE["builtin"], read=lambda _: replace(motion, clips=tuple(clips))),
    )
    main([*arguments, "--held-out", "2"])
    folder = tmp_path / "held-out-2"
    assert "Measured on training performers held out: 2." in (folder / "table-start.md").read_text()
    metrics = json.loads((folder / "mlp-2" / "seed0" / "metrics.json").read_text())
    assert metrics["split"]["test_performers"] == ["2"]
    assert not (tmp_path / "mlp-2").exists()
    folder.rename(tmp_path / "held-out-1")
    with refused("they are of a run on other data"):
        main([*arguments, "--held-out", "1"])


def test_all_folds_make_one_table(arguments, tmp_path, monkeypatch):
    path = tmp_path / "cmu17.npz"
    write_cmu17(path, performers=(1, 2, 3, 5, 6, 8, 9, 13, 94, 135, 7), frames=9)
    monkeypatch.setitem(command.TABLES, "start", replace(SMALL, entries=SMALL.entries[1:]))
    arguments = [*arguments, "--data", "cmu17", "--data-path", str(path), "--folds"]
    main(arguments)
    found = [
        json.loads(
            (tmp_path / f"held-out-{people}" / "mlp-2" / f"seed{seed}" / "metrics.json").read_text()
        )
        for people in ("1-9", "13-8", "135-6", "94-3", "5-2")
        for seed in (0, 1)
    ]
    errors = [one["scores"]["mpjpe_mm"] for one in found]
    text = (tmp_path / "table-start-folds.md").read_text()
    assert f"{np.mean(errors):.1f} ± {np.std(errors, ddof=1):.1f}" in text
    assert "held out: 1 and 9; 13 and 8; 135 and 6; 94 and 3; 5 and 2." in text
    rows = list(csv.DictReader((tmp_path / "table-start-folds.csv").read_text().splitlines()))
    assert [(row["seed"], float(row["value"])) for row in rows] == [
        (f"{place % 2} of fold {place // 2}", error) for place, error in enumerate(errors)
    ]
    with refused("leave held_out and fold away"):
        main([*arguments, "--fold", "0"])
    with refused("builtin has no folds"):
        main([*arguments, "--data", "builtin"])


@pytest.fixture(scope="module")
def owned(tmp_path_factory):
    """Files in the formats of data that one must own."""
    folder = tmp_path_factory.mktemp("owned")
    write_h36m_npz(folder / "h36m", subjects=("S1", "S9"), frames=26)
    write_3dhp_published(folder / "3dhp")
    return folder


def owned_arguments(monkeypatch, owned, out, name):
    small = (Entry("HGN", NetworkOptions("hgn", 4), paper=command.TABLES[name].entries[0].paper),)
    monkeypatch.setitem(command.TABLES, name, replace(command.TABLES[name], entries=small))
    data = ["--data", "h36m-npz", "--data-path", str(owned / "h36m"), "--epochs", "1"]
    folders = ["--out", str(out), "--fit-cache", str(owned / "fits")]
    return ["table", name, *data, *folders, "--device", "cpu", "--seeds", "0", "1"]


@pytest.mark.parametrize("name", ["5", "6"])
def test_tables_by_action_are_made_of_owned_data(monkeypatch, owned, tmp_path, name):
    arguments = owned_arguments(monkeypatch, owned, tmp_path, name)
    main([*arguments, "--keypoints", "cpn_ft_h36m_dbb"])
    text = (tmp_path / f"table-{name}.md").read_text()
    assert "Input: 2D joints of real cameras (cpn_ft_h36m_dbb)." in text
    ours, paper = (row.split(" | ") for row in reversed(text.splitlines()[-2:]))
    assert [ours[0], paper[0]] == ["| HGN, here", "| HGN, paper"]
    measured = [place for place, cell in enumerate(ours) if "±" in cell]
    assert [PRINTED[place - 1] for place in measured] == [
        "Directions",
        "SittingDown",
        "Walking",
        "mean |",
    ]
    folder = tmp_path / "hgn-4-mesh0.01"
    key = {"5": "mpjpe_mm", "6": "pa_mpjpe_mm"}[name]
    found = [
        json.loads((folder / f"seed{seed}" / "metrics.json").read_text())["scores"]["per_action"]
        for seed in (0, 1)
    ]
    mean = sum(one["Walking"][key] for one in found) / 2
    assert ours[measured[2]].startswith(f"{mean:.1f} ±")


PRINTED = [*(column.partition(":")[2] for column in command.TABLES["5"].columns[:-1]), "mean |"]


def test_table_7_trains_on_one_data_set_and_measures_on_another(monkeypatch, owned, tmp_path):
    arguments = owned_arguments(monkeypatch, owned, tmp_path, "7")
    main([*arguments, "--test-path", str(owned / "3dhp")])
    text = (tmp_path / "table-7.md").read_text()
    head, ours = (text.splitlines()[row].strip("| ").split(" | ") for row in (2, -1))
    assert head == ["network", "studio, green screen", "studio", "outdoor", "PCK, all", "AUC, all"]
    assert [cell == "-" for cell in ours] == [False, False, True, False, False, False]
    seed = tmp_path / "hgn-4-mesh0.01" / "seed0"
    out, weights = tmp_path / "scores.json", str(seed / "weights.safetensors")
    data = ["--data", "mpi-inf-3dhp", "--data-path", str(owned / "3dhp"), "--no-meshes"]
    main(["evaluate", weights, *data, "--device", "cpu", "--out", str(out)])
    expected, found = (json.loads(path.read_text()) for path in (out, seed / "mpi-inf-3dhp.json"))
    assert found["scores"] == expected["scores"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["5", "--data", "builtin"], "table 5 is of h36m-npz or h36m-json, and data is builtin"),
        (["7", "--data", "h36m-npz"], "test_path is missing: table 7 measures on mpi-inf-3dhp"),
        (["1", "--data", "builtin", "--test-path", "x"], "table 1 measures on builtin itself"),
    ],
)
def test_data_that_a_table_is_not_of_are_refused(options, message, tmp_path):
    out = tmp_path / "none"
    with refused(message):
        main(["table", *options, "--out", str(out)])
    assert not out.exists()


def test_runs_on_other_2d_joints_are_not_taken(monkeypatch, owned, tmp_path):
    arguments = owned_arguments(monkeypatch, owned, tmp_path, "5")
    main([*arguments, "--keypoints", "cpn_ft_h36m_dbb"])
    for change in ([], ["--keypoints", "cpn_ft_h36m_dbb", "--train-every", "7"]):
        with refused("they are of a run on other data; remove the folder"):
            main([*arguments, *change])
