import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

import examples.hgn_pose.commands.robustness as command
from examples.hgn_pose.__main__ import main
from examples.hgn_pose.measuring.curves import Point
from examples.hgn_pose.measuring.noise import KINDS
from examples.hgn_pose.network.building import NetworkOptions
from examples.hgn_pose.pictures.robustness_curves import robustness_curves
from examples.hgn_pose.tables.table import Entry, Table

QUICK = ["--test-every", "60", "--device", "cpu", "--data", "builtin"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An MLP and a SemGCN that have learned a little."""
    files = []
    for network in ("mlp", "semgcn"):
        out = tmp_path_factory.mktemp(network)
        train = ["train", "--network", network, "--channels", "4", "--epochs", "1"]
        main([*train, *QUICK, "--train-every", "20", "--out", str(out)])
        files.append(str(out / "weights.safetensors"))
    return files


@pytest.fixture(scope="module")
def report(weights, tmp_path_factory):
    out = tmp_path_factory.mktemp("robustness")
    main(["robustness", *weights, *QUICK, "--noise", "jitter", "swaps", "--out", str(out)])
    assert (out / "robustness.png").read_bytes()[:4] == b"\x89PNG"
    return json.loads((out / "robustness.json").read_text())


def test_every_network_is_measured_at_every_level(report):
    assert list(report["noise"]) == ["jitter", "swaps"]
    for kind, entry in report["noise"].items():
        assert set(entry["curves"]) == {"MLP (SimpleBaseline)", "SemGCN"}
        for points in entry["curves"].values():
            assert [point["level"] for point in points] == list(KINDS[kind].levels)
            assert points[-1]["mpjpe_mm"] != points[0]["mpjpe_mm"]
            assert all(0 < point["pa_mpjpe_mm"] < 1000 for point in points)


def test_without_noise_it_is_what_evaluate_finds(report, weights, tmp_path):
    out = tmp_path / "scores.json"
    main(["evaluate", weights[0], *QUICK, "--out", str(out)])
    scores = json.loads(out.read_text())["scores"]
    for entry in report["noise"].values():
        clean = entry["curves"]["MLP (SimpleBaseline)"][0]
        assert clean["mpjpe_mm"] == pytest.approx(scores["mpjpe_mm"], abs=0.02)
        assert clean["pa_mpjpe_mm"] == pytest.approx(scores["pa_mpjpe_mm"], abs=0.02)


def test_levels_of_ones_own(weights, tmp_path):
    options = ["--noise", "missing", "--levels", "0.5", "1", "--flip-test"]
    main(["robustness", weights[0], *QUICK, *options, "--out", str(tmp_path)])
    report = json.loads((tmp_path / "robustness.json").read_text())
    points = report["noise"]["missing"]["curves"]["MLP (SimpleBaseline)"]
    assert [point["level"] for point in points] == [0.5, 1]
    assert report["flip_test"]


def test_networks_of_one_kind_are_told_apart(weights, tmp_path):
    copy = tmp_path / "other" / "copy.safetensors"
    copy.parent.mkdir()
    copy.write_bytes(Path(weights[0]).read_bytes())
    options = ["--noise", "jitter", "--levels", "5", "--out", str(tmp_path)]
    main(["robustness", weights[0], str(copy), *QUICK, *options])
    curves = json.loads((tmp_path / "robustness.json").read_text())["noise"]["jitter"]["curves"]
    first, second = curves.values()
    assert first == second
    assert "MLP (SimpleBaseline), other/copy" in curves


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--levels", "1"], "levels are given for 5 kinds of noise"),
        (["--noise", "missing", "--levels", "20"], "between 0 and 1, got 20"),
        (["--noise", "jitter", "--levels", "-1"], "0 pixels or more, got -1"),
    ],
)
def test_bad_options_end_with_a_message_before_anything_is_done(
    weights, options, message, tmp_path
):
    out = tmp_path / "none"
    with refused() as refusal:
        main(["robustness", weights[0], *QUICK, *options, "--out", str(out)])
    assert message in refusal.message
    assert not out.exists()


def test_a_file_named_twice_is_refused(weights):
    with refused() as refusal:
        main(["robustness", weights[0], weights[0], *QUICK])
    assert "is named twice" in refusal.message


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder with runs of two seeds, and one of a single run."""
    several, single = (tmp_path_factory.mktemp(name) for name in ("several", "single"))
    train = ["train", "--network", "mlp", "--channels", "2", "--epochs", "1", "--train-every", "30"]
    main([*train, *QUICK, "--seeds", "0", "1", "--out", str(several)])
    main([*train, *QUICK, "--seed", "2", "--out", str(single)])
    return several, single


SCENES = ["--scene", "occlusion", "height", "azimuth", "focal", "limbs"]


@pytest.fixture(scope="module")
def curves(folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("curves")
    options = ["--noise", "jitter", *SCENES, "--out", str(out)]
    main(["robustness", *map(str, folders), *QUICK, *options])
    return out


def test_runs_that_differ_in_their_seeds_are_one_network(curves, folders):
    report = json.loads((curves / "robustness.json").read_text())
    lines = report["noise"]["jitter"]["curves"]
    several, single = lines.values()
    of_seed = []
    for seed in (0, 1):
        scores = json.loads((folders[0] / f"seed{seed}" / "metrics.json").read_text())["scores"]
        of_seed.append(scores["mpjpe_mm"])
    assert several[0]["mpjpe_mm_of_runs"] == pytest.approx(of_seed, abs=0.02)
    assert several[0]["mpjpe_mm"] == pytest.approx(np.mean(of_seed), abs=0.02)
    assert "mpjpe_mm_of_runs" not in single[0]
    files = list(report["weights"].values())
    assert [len(files[0]), Path(files[1]).parent] == [2, folders[1]]


def test_scenes_as_trained_are_what_is_found_without_noise(curves):
    report = json.loads((curves / "robustness.json").read_text())
    assert list(report["scenes"]) == SCENES[1:]
    clean = {
        name: points[0]["mpjpe_mm"] for name, points in report["noise"]["jitter"]["curves"].items()
    }
    for scene, usual in (("height", 1.55), ("azimuth", 0), ("focal", 1145), ("limbs", 1)):
        for name, points in report["scenes"][scene]["curves"].items():
            found = {point["level"]: point["mpjpe_mm"] for point in points}
            assert found[usual] == pytest.approx(clean[name], abs=0.01)
            assert len(set(found.values())) > 2


def test_every_run_stands_in_the_table_and_the_sheet(curves):
    rows = list(csv.DictReader((curves / "robustness.csv").read_text().splitlines()))
    report = json.loads((curves / "robustness.json").read_text())
    factors = {**report["noise"], **report["scenes"]}
    points = sum(len(lines) for entry in factors.values() for lines in entry["curves"].values())
    levels = sum(len(next(iter(entry["curves"].values()))) for entry in factors.values())
    assert points == 2 * levels
    assert len(rows) == 3 * levels
    text = (curves / "robustness.md").read_text()
    assert text.startswith("builtin, 7 frames, measured on test people.")
    assert text.count("\n## ") == 6
    assert text.count(" ± ") == levels
    assert (curves / "robustness.png").read_bytes()[:4] == b"\x89PNG"


def test_the_networks_of_a_table_are_found_by_its_name(folders, tmp_path, monkeypatch):
    line = Entry("A network", NetworkOptions("mlp", 2))
    table = Table("start", "One network", ("mpjpe",), (line,))
    monkeypatch.setitem(command.TABLES, "start", table)
    runs = tmp_path / "runs"
    runs.mkdir()
    shutil.copytree(folders[0], runs / line.folder)
    options = ["--table", "start", "--runs", str(runs), "--noise", "jitter", "--levels", "0"]
    main(["robustness", *options, *QUICK, "--out", str(tmp_path)])
    report = json.loads((tmp_path / "robustness.json").read_text())
    assert list(report["noise"]["jitter"]["curves"]) == ["A network, 2"]
    with refused("weights and table both name networks"):
        main(["robustness", str(folders[1]), *options, *QUICK])
    with refused("there are no runs in .*mlp-2: it holds neither"):
        shutil.rmtree(runs / line.folder)
        (runs / line.folder).mkdir()
        main(["robustness", *options, *QUICK])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scene", "height", "--noise", "--levels", "-1"], "between 0 and 10 .*got -1"),
        (["--scene", "limbs", "--noise", "--levels", "0"], "between 0.5 and 2 .*got 0"),
        (["--scene", "occlusion", "--noise", "--levels", "1.5"], "one of 0 to 5, got 1.5"),
        (["--scene", "height", "limbs", "--noise", "--levels", "1"], "0 kinds of noise and 2"),
        (["--noise"], "noise and scene are empty"),
    ],
)
def test_scenes_that_make_no_sense_are_refused(weights, options, message, tmp_path):
    with refused(message):
        main(["robustness", weights[0], *QUICK, *options, "--out", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


def test_runs_of_different_networks_are_not_one(weights, tmp_path):
    for place, path in enumerate(weights):
        (tmp_path / str(place)).mkdir()
        shutil.copy(path, tmp_path / str(place))
    with refused("holds runs of mlp, semgcn; give each network a folder of its own"):
        main(["robustness", str(tmp_path), *QUICK, "--out", str(tmp_path / "out")])


def test_every_line_lies_inside_its_panel():
    levels = {"jitter": (10.0, 20.0), "outliers": (90.0, 400.0), "height": (30.0, 50.0)}
    curves = {
        kind: {
            name: [Point(k, (e + shift, e - shift), (0.0, 0.0)) for k, e in enumerate(errors)]
            for name, shift in zip("ABCDEFGHIJKLMNOPQRST", range(20), strict=True)
        }
        for kind, errors in levels.items()
    }
    figure = robustness_curves(curves)
    tops = []
    for ax, (kind, errors) in zip(figure.axes, levels.items(), strict=False):
        drawn = [tuple(np.asarray(line.get_ydata())) for line in ax.get_lines()]
        assert drawn == [errors] * 20
        looks = {(line.get_color(), line.get_linestyle()) for line in ax.get_lines()}
        assert len(looks) == 20
        bands = ax.collections
        assert len(bands) == 19
        spread = max(point.spread for point in curves[kind]["T"])
        paths = [path for band in bands for path in band.get_paths()]
        highest = max(np.asarray(path.vertices)[:, 1].max() for path in paths)
        assert highest == pytest.approx(errors[1] + spread)
        low, high = ax.get_ylim()
        assert low == 0
        assert high > highest
        tops.append(high)
    assert tops[0] == tops[1] > tops[2]
