import json
from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.measuring.noise import KINDS
from examples.hgn_pose.pictures.robustness_curves import robustness_curves

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


def test_every_line_lies_inside_its_panel():
    levels = {"jitter": (10.0, 20.0), "outliers": (90.0, 400.0)}
    curves = {
        kind: {
            name: [{"level": k, "mpjpe_mm": e + shift} for k, e in enumerate(errors)]
            for name, shift in (("HGN", 0.0), ("SemGCN", 5.0))
        }
        for kind, errors in levels.items()
    }
    figure = robustness_curves(curves)
    for ax, kind in zip(figure.axes, curves, strict=False):
        drawn = np.concatenate([line.get_ydata() for line in ax.get_lines()])
        assert sorted(drawn) == sorted(
            p["mpjpe_mm"] for line in curves[kind].values() for p in line
        )
        low, high = ax.get_ylim()
        assert low == 0
        assert high > 405
