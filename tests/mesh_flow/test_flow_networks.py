"""The networks: of equal size, and how far each of them sees."""

import json

import numpy as np
import pytest
import torch

from examples.mesh_flow.__main__ import main
from examples.mesh_flow.channel import channel
from examples.mesh_flow.networks import FlowNet, Scales
from examples.mesh_flow.training import Stepper

MESH = channel(spacing=0.06)
SCALES = {
    "one": (Scales.one(MESH), [7]),
    "heavy edges": (Scales.heavy_edges(MESH, 4), [1] * 7),
    "bi-stride": (Scales.bi_stride(MESH, 4), [1] * 7),
}


def network(name, channels=8):
    torch.manual_seed(0)
    return FlowNet(SCALES[name][0], channels, SCALES[name][1])


def test_they_are_of_equal_size_but_for_the_encoders_of_edges():
    counts = {
        name: sum(p.numel() for p in network(name).parameters() if p.requires_grad)
        for name in SCALES
    }
    encoder = sum(p.numel() for p in network("one").edge_encoders.parameters())
    assert counts["heavy edges"] == counts["bi-stride"] == counts["one"] + 3 * encoder


@pytest.mark.parametrize("name", SCALES)
def test_every_parameter_learns(name):
    model = network(name)
    model(torch.randn(2, len(MESH.positions), 10)).square().mean().backward()
    for key, parameter in model.named_parameters():
        # The edges of the last stop are updated for its nodes alone.
        assert not parameter.requires_grad or parameter.grad is not None, key


@pytest.mark.parametrize(("name", "far"), [("one", False), ("heavy edges", True)])
def test_how_far_a_warm_place_is_felt(name, far):
    """Seven blocks on the mesh see seven edges far; scales see across the channel."""
    model = network(name).double()
    x = torch.zeros(1, len(MESH.positions), 10, dtype=torch.float64)
    warm = x.clone()
    source = int(np.argmin(np.hypot(*(MESH.positions - (0.1, 0.5)).T)))
    warm[0, source, 0] = 1.0
    with torch.no_grad():
        felt = (model(warm) - model(x)).abs()[0, :, 0].numpy()
    away = np.hypot(*(MESH.positions - MESH.positions[source]).T)
    assert (felt[away > 1.2].max() > 0) == far


def test_given_temperatures_stay():
    stepper = Stepper(network("heavy edges"), 0.3)
    temperature = torch.rand(1, len(MESH.positions))
    given = torch.rand(1, len(MESH.positions)) < 0.5
    found = stepper(temperature, torch.randn(1, len(MESH.positions), 9), given)
    assert torch.equal(found[given], temperature[given])
    assert not torch.equal(found[~given], temperature[~given])


def test_the_command_compares_and_writes(tmp_path, capsys):
    small = ["--spacing", "0.1", "--simulations", "2", "--tests", "1", "--channels", "4"]
    main([*small, "--training.steps", "3", "--out", str(tmp_path)])
    text = (tmp_path / "table.md").read_text()
    assert [line.split("|")[1].strip() for line in text.splitlines()[2:]] == [
        "mesh alone",
        "bi-stride",
        "heavy edges",
    ]
    assert text.strip() in capsys.readouterr().out
    rows = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert all(np.isfinite(row["one_step"]) and row["one_step"] > 0 for row in rows)
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "film.gif").read_bytes().startswith(b"GIF8")


def test_bad_options_end_with_a_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--spacing", "0", "--out", str(tmp_path)])
    assert ended.value.code == 2
    assert "spacing = 0" in capsys.readouterr().err
