import json
import re
import struct
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from examples.hgn_pose.commands.demo import Demo, samples_at
from examples.hgn_pose.commands.machine import MachineOptions
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.measuring.predictions import predict
from examples.hgn_pose.measuring.scores import score
from examples.hgn_pose.pictures import plots, report
from examples.hgn_pose.samples.augmentation import NO_AUGMENTATION
from examples.hgn_pose.samples.preparing import prepare_data
from examples.hgn_pose.training.baselines import fit_baselines

MODELS = ["HGN", "SemGCN", "MLP (SimpleBaseline)", "linear map", "mean pose"]
PICTURES = {"graphs", "training", "predictions", "joints", "actions"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    data = DataOptions(train_every=60, test_every=40)
    Demo(out, epochs=2, channels=4, data=data, machine=MachineOptions(device="cpu")).run()
    return out


@pytest.fixture(scope="module")
def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_demo_writes_all_that_it_promises(folder):
    names = {path.name for path in folder.iterdir()}
    assert names == {"report.html", "metrics.json", "hgn.safetensors"} | {
        f"{name}.png" for name in PICTURES
    }
    for name in PICTURES:
        data = (folder / f"{name}.png").read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = struct.unpack(">II", data[16:24])
        assert width > 800
        assert height > 400


def test_metrics_hold_every_model(metrics):
    assert list(metrics["models"]) == MODELS
    for name, model in metrics["models"].items():
        assert 0 < model["pa_mpjpe_mm"] < 1000
        assert len(model["mpjpe_per_joint_mm"]) == 17
        assert set(model["per_action"]) == {"dance", "jump", "kick", "walk"}
        assert set(model["mpvpe_mm"]) == (
            set() if name in ("SemGCN", "MLP (SimpleBaseline)") else {"48", "96"}
        )
    assert metrics["hierarchy"]["nodes"][0] == 13348
    assert {96, 48} <= set(metrics["hierarchy"]["nodes"])
    assert len(metrics["history"]["HGN"]) == 2
    assert metrics["split"]["test_clips"] == ["dance_b", "jump", "kick", "walk"]
    assert not set(metrics["split"]["train_clips"]) & set(metrics["split"]["test_clips"])


def test_the_page_is_whole_and_needs_nothing_else(folder):
    html = (folder / "report.html").read_text()
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    assert not {"script", "link", "iframe"} & set(page.tags)
    sources = [value for tag, name, value in page.attributes if name in ("src", "href")]
    assert len(sources) == len(PICTURES)
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in re.sub(r"base64,[^\"]*", "", html)
    assert "url(" not in html


def test_the_page_says_what_the_metrics_say(folder, metrics):
    page = Page()
    page.feed((folder / "report.html").read_text())
    text = " ".join(page.text)
    for name, model in metrics["models"].items():
        assert name in text
        assert f"{model['mpjpe_mm']:.1f}" in text
        assert f"{model['parameters']:,}" in text
    assert metrics["machine"]["processor"] in text
    assert metrics["hierarchy"]["fingerprint"] in text
    assert "not trained at all" in text
    assert "dance_b, jump, kick, walk" in text


def test_errors_stand_before_all_else(folder, metrics):
    page = Page()
    page.feed((folder / "report.html").read_text())
    text = " ".join(page.text)
    least = f"{metrics['models']['HGN']['mpjpe_mm']:.1f}"
    first = [
        text.index(word) for word in (least, "MPVPE, 48", "parameters", "under", "A body mesh")
    ]
    assert first[0] == min(first)
    assert text.index("PA-MPJPE") < text.index("MPVPE, 96") < text.index("parameters")
    assert text.index("Errors by action") < text.index("The body and its coarse graphs")


def test_the_verdict_names_the_best_even_if_it_is_not_hgn(metrics, folder):
    pictures = {name: (folder / f"{name}.png").read_bytes() for name in PICTURES}
    for best, other in (("HGN", "linear map"), ("MLP (SimpleBaseline)", "HGN")):
        changed = json.loads(json.dumps(metrics))
        changed["models"][best]["mpjpe_mm"] = 1.0
        changed["models"][other]["mpjpe_mm"] = 3.5
        html = report.render(changed, pictures)
        assert f"<b>{best}</b>, 2.5 mm ahead of {other}" in html


def test_names_are_escaped(metrics, folder):
    pictures = {name: (folder / f"{name}.png").read_bytes() for name in PICTURES}
    changed = json.loads(json.dumps(metrics))
    changed["machine"]["processor"] = "<script>alert(1)</script>"
    html = report.render(changed, pictures)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_drawn_samples_lie_at_their_percentiles():
    options = DataOptions(train_every=60, test_every=30)
    prepared = prepare_data(options, torch.device("cpu"))
    mean, _ = fit_baselines(prepared.train, prepared.cameras, NO_AUGMENTATION)
    predictions = predict(mean, prepared.test, prepared.cameras)
    chosen = samples_at(predictions, (0, 50, 100))
    difference = predictions.pose - predictions.true_pose
    errors = ((difference**2).sum(axis=2) ** 0.5).mean(axis=1)
    assert errors[chosen[0]] == pytest.approx(errors.min())
    assert errors[chosen[2]] == pytest.approx(errors.max())
    assert errors[chosen[1]] == pytest.approx(np.median(errors), rel=0.02)


def test_pictures_do_without_meshes():
    options = DataOptions(train_every=60, test_every=60)
    prepared = prepare_data(options, torch.device("cpu"))
    mean, _ = fit_baselines(prepared.train, prepared.cameras, NO_AUGMENTATION)
    predictions = predict(mean, prepared.test, prepared.cameras)
    assert score(predictions).mpvpe == {}
    assert plots.png(plots.true_and_predicted(predictions, [0, 1], None))[:4] == b"\x89PNG"
