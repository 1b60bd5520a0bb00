"""Exported networks against the lifter that they were made of."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.body.options import BodyOptions
from examples.hgn_pose.body.skeleton import JOINTS
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.lifting import portable
from examples.hgn_pose.lifting.filming import film
from examples.hgn_pose.lifting.lifter import Lifter
from examples.hgn_pose.lifting.portable import METADATA, Portable, example
from examples.hgn_pose.lifting.viewing import ViewOptions
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.passports import passport_of
from examples.hgn_pose.network.weights import save_weights

needs_onnx = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("onnx", "onnxscript", "onnxruntime")),
    reason="needs onnx, onnxscript and onnxruntime",
)
SIZE = (1280, 720)
BODY = BodyOptions().load()


@pytest.fixture
def weights(tmp_path):
    """Of a network that was not trained, in a file."""

    def make(**options):
        chosen = NetworkOptions(**{"channels": 8, **options})
        hierarchy = chosen.graphs.of(BODY)
        steps = 25.0 if chosen.window > 1 else None
        passport = passport_of(chosen, BODY, hierarchy, DataOptions(), chosen.has_meshes, steps)
        path = tmp_path / "weights.safetensors"
        model = build_network(chosen, hierarchy, 0, BODY)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.05)
        save_weights(path, model, passport)
        return path

    return make


def lifter_of(path):
    return Lifter.load(path, BODY, torch.device("cpu"))


@pytest.fixture(scope="module")
def joints():
    return film("walk", 0).in_convention("skeleton17").astype(np.float64)[:5]


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {"network": "hgn"},
        {"network": "hgn", "without": "48", "facing": True},
        {"network": "hgn", "padding": "published"},
        {"network": "mlp", "head": "ray"},
    ],
)
def test_it_answers_as_the_lifter_does(weights, joints, options, flip) -> None:
    lifter = lifter_of(weights(**options))
    view = ViewOptions(field_of_view=50 if lifter.facing else None).read(SIZE)
    pose, meshes = lifter.lift(joints, SIZE, "auto", view, flip=flip)
    camera = np.concatenate([view.focal, view.centre])
    given = [torch.tensor(joints, dtype=torch.float32)]
    if lifter.facing:
        given.append(torch.tensor(camera, dtype=torch.float32).repeat(len(joints), 1))
    whole = Portable(lifter, flip=flip).eval()
    with torch.no_grad():
        found = whole(*given)
    assert whole.names == ["pose", *(f"mesh_{size}" for size in lifter.mesh_sizes)]
    for one, other in zip(found, (pose, *meshes), strict=True):
        assert np.abs(one.numpy() - other).max() < 1e-4 * np.abs(other).max()


@pytest.mark.parametrize("facing", [False, True])
def test_clips_are_framed_by_their_middle(weights, joints, facing) -> None:
    lifter = lifter_of(weights(network="temporal_convolutions", facing=facing))
    time = np.arange(5) / lifter.steps_per_second
    view = ViewOptions(field_of_view=50 if facing else None).read(SIZE)
    pose, _ = lifter.lift(joints, SIZE, "auto", view, flip=True, time=time)
    half = lifter.window // 2
    rows = np.clip(np.arange(5)[:, None] + np.arange(-half, half + 1), 0, 4)
    given = [torch.tensor(joints[rows], dtype=torch.float32)]
    if facing:
        camera = np.concatenate([view.focal, view.centre])
        given.append(torch.tensor(camera, dtype=torch.float32).repeat(len(joints), 1))
    with torch.no_grad():
        found = Portable(lifter, flip=True).eval()(*given)
    assert np.abs(found[0].numpy() - pose).max() < 1e-4


@needs_onnx
def test_onnx_says_what_it_takes(weights, tmp_path, capsys) -> None:
    import onnxruntime

    out = tmp_path / "net.onnx"
    main(["export", str(weights(network="mlp")), "--out", str(out)])
    assert "answers are those of the network to 0.0" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["joints"]) == list(JOINTS)
    assert "pixels" in json.loads(facts["input"])["joints"]
    assert [entry.name for entry in session.get_inputs()] == ["joints"]
    assert [entry.name for entry in session.get_outputs()] == ["pose"]
    people = np.random.default_rng(0).uniform(0, 500, (7, 17, 2)).astype(np.float32)
    together = session.run(None, {"joints": people})[0]
    alone = [session.run(None, {"joints": people[k : k + 1]})[0] for k in range(7)]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)


@pytest.mark.parametrize(
    "options", [{"network": "mlp", "facing": True}, {"network": "temporal_convolutions"}]
)
def test_programs_of_pytorch(weights, tmp_path, capsys, options) -> None:
    out = tmp_path / "net.pt2"
    path = weights(**options)
    main(["export", str(path), "--out", str(out), "--no-flip"])
    assert "answers are those of the network to 0.0" in capsys.readouterr().out
    said = {METADATA: ""}
    program = torch.export.load(out, extra_files=said)
    facts = json.loads(said[METADATA])
    assert facts["joints"] == list(JOINTS)
    assert ("camera" in facts["input"]) == ("facing" in options)
    assert facts.get("frames") == (None if "facing" in options else 27)
    whole = Portable(lifter_of(path), flip=False).eval()
    given = example(whole, 4)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(*given.given), whole(*given.given))


@needs_onnx
@pytest.mark.slow
def test_hgn_with_its_meshes(weights, tmp_path, capsys) -> None:
    main(["export", str(weights(network="hgn")), "--out", str(tmp_path / "hgn.onnx")])
    assert "answers are those of the network to 0.0" in capsys.readouterr().out


def test_what_cannot_be_is_told(weights, tmp_path, monkeypatch) -> None:
    path = str(weights(network="mlp"))
    with refused("net.pth ends in .pth; end it in .onnx or .pt2"):
        main(["export", path, "--out", "net.pth"])
    with refused("nothing.safetensors"):
        main(["export", "nothing.safetensors", "--out", str(tmp_path / "net.pt2")])
    out = tmp_path / "net.pt2"
    monkeypatch.setattr(portable, "_BYTES", {".pt2": _fails})
    with refused(r"mlp cannot be exported to \.pt2: no such operator"):
        main(["export", path, "--out", str(out)])
    assert not out.exists()
    monkeypatch.setattr(portable, "find_spec", lambda name: None)
    with refused("pip install onnx onnxscript"):
        main(["export", path, "--out", str(tmp_path / "net.onnx")])


def _fails(*arguments):
    raise RuntimeError("no such operator")


def test_a_file_that_answers_otherwise_is_refused(weights, tmp_path, monkeypatch) -> None:
    import examples.hgn_pose.commands.export as command

    monkeypatch.setattr(command, "difference", lambda whole, path: float("nan"))
    path, out = str(weights(network="mlp")), str(tmp_path / "net.pt2")
    with refused("do not use it"):
        main(["export", path, "--out", out])
