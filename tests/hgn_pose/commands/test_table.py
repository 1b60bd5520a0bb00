"""The table command: trains what is missing, goes on where it stopped, and writes."""

import json
from dataclasses import replace

import pytest
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
