"""The table command: trains what is missing, goes on where it stopped, and writes."""

import json

import pytest
from refusals import refused

import examples.hgn_pose.commands.table as command
from examples.hgn_pose.__main__ import main
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
