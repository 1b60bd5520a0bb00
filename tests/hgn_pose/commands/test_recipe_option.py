"""Recipes on the command line, and the mirrored pass of every run."""

from __future__ import annotations

import json

import pytest

import examples.hgn_pose.commands.table as command
from examples.hgn_pose.__main__ import main
from examples.hgn_pose.network.building import NetworkOptions
from examples.hgn_pose.tables.lifters import COLUMNS
from examples.hgn_pose.tables.table import Entry, Table
from examples.hgn_pose.training.recipes import RECIPES

SMALL = ["--train-every", "60", "--test-every", "60", "--device", "cpu"]
SHORT = [*SMALL, "--steps", "2", "--batch-size", "64"]


def test_a_recipe_sets_what_is_not_said(tmp_path, capsys):
    network = ["--network", "semgcn", "--channels", "4", "--head", "ray"]
    main(["train", "--recipe", "modern", *network, *SHORT, "--out", str(tmp_path)])
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    expected = {**RECIPES["modern"].as_json(), "steps": 2, "batch_size": 64}
    assert metrics["training"] == expected
    assert metrics["options"]["head"] == "ray"
    main(["evaluate", str(tmp_path / "weights.safetensors"), *SMALL, "--flip-test"])
    again = json.loads((tmp_path / "weights.evaluation.json").read_text())
    assert again["scores"]["mpjpe_mm"] == pytest.approx(metrics["mirrored"]["mpjpe_mm"], rel=1e-5)
    assert metrics["mirrored"]["mpjpe_mm"] != metrics["scores"]["mpjpe_mm"]


def test_an_unknown_recipe_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "--recipe", "ancient"])
    assert stop.value.code == 2
    assert "ancient" in capsys.readouterr().err


def test_tables_show_the_mirrored_pass(tmp_path, monkeypatch):
    entries = (Entry("MLP", NetworkOptions("mlp", 2, dropout=0.1, head="ray")),)
    monkeypatch.setitem(command.TABLES, "lifter", Table("lifter", "Lifters", COLUMNS, entries))
    main(["table", "lifter", "--recipe", "modern", *SHORT, "--seeds", "0", "--out", str(tmp_path)])
    text = (tmp_path / "table-lifter.md").read_text()
    assert "builtin, 2 steps, batches of 64" in text
    assert "mirrored pass, MPJPE, mm" in text
    metrics = json.loads((tmp_path / "mlp-2-ray-dropout0.1" / "seed0" / "metrics.json").read_text())
    cells = [cell.strip() for cell in text.splitlines()[-1].strip("|").split("|")]
    assert cells[3] == f"{metrics['scores']['mpjpe_mm']:.1f}"
    assert cells[5] == f"{metrics['mirrored']['mpjpe_mm']:.1f}"
