import io
import json
import socket
import sys
import threading
import time

import numpy as np
import pytest
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.body.skeleton import FLIP
from examples.hgn_pose.commands.stream import Stream, replies
from examples.hgn_pose.lifting import exported, prediction
from examples.hgn_pose.lifting.filming import film
from examples.hgn_pose.lifting.live import LONGEST, Steadying
from examples.hgn_pose.lifting.mapping import HUMAN36M_TRUNK


def zeros(joints):
    if not np.ptp(joints, axis=0).any():
        raise ValueError("all joints lie in one point")
    return np.zeros((17, 3), np.float32)


def said(lines, **options):
    stream = Stream(convention="skeleton17", **options)
    return [reply for reply, *_ in replies(io.StringIO(lines), stream, HUMAN36M_TRUNK, zeros)]


def line_of(joints, **facts):
    sure = np.ones((17, 1))
    return (
        json.dumps({"keypoints": np.concatenate([joints, sure], axis=1).tolist(), **facts}) + "\n"
    )


@pytest.fixture(scope="module")
def joints():
    return film("walk", 0).in_convention("skeleton17").astype(np.float64)


def test_lines_of_every_form_are_answered_in_order(joints):
    triples = json.loads(line_of(joints[0]))["keypoints"]
    forms = [triples, [x for triple in triples for x in triple], {"keypoints": triples}]
    lines = "".join(json.dumps(form) + "\n\n" for form in forms)
    lines += line_of(joints[1], frame=70, seconds=3.5)
    found = said(lines, fps=20)
    assert [reply["frame"] for reply in found] == [0, 1, 2, 70]
    assert [reply["seconds"] for reply in found] == [0, 0.05, 0.1, 3.5]
    assert all(np.shape(reply["pose"]) == (17, 3) for reply in found)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is no JSON"),
        ("[" * 50_000, "is no JSON"),
        ("[1, 2]", "must be 17 times"),
        ('{"joints": []}', "must be 17 times"),
        ('{"keypoints": {"a": 1}}', "must be 17 times"),
        (json.dumps([[0, 0, 1]] * 17), "of the 17 joints are seen"),
        (json.dumps({"keypoints": [[1, 1, 1]] * 17, "seconds": "now"}), "seconds"),
        (json.dumps({"keypoints": [[1, 1, 1]] * 17}), "lie in one point"),
        ("[1" + "0" * 200_000 + "]", "more than 100000 characters"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_the_stream_goes_on(line, message, joints):
    found = said(line_of(joints[0]) + line + "\n" + line_of(joints[1]))
    wrong = [reply for reply in found if "error" in reply]
    assert message in wrong[0]["error"]
    assert wrong[0]["line"] == 2
    assert "pose" in found[0]
    assert "pose" in found[-1]


def test_what_is_missing_or_jumps_is_held_and_sides_are_put_right(joints):
    person = Steadying()
    spoiled = joints.copy()
    spoiled[5, 13] = np.nan
    spoiled[9, 16] += 300
    spoiled[14:17] = spoiled[14:17, FLIP]
    for t, seen in enumerate(spoiled):
        found, held = person.joints(seen)
        expected = {5: [13], 9: [16]}.get(t, [])
        assert np.flatnonzero(held).tolist() == expected
        assert np.linalg.norm(found - joints[t], axis=1).max() < 30


def test_what_stays_elsewhere_is_believed_after_a_while(joints):
    person = Steadying()
    moved = joints.copy()
    moved[10:, 13] += 200
    held = [person.joints(seen)[1][13] for seen in moved]
    assert np.flatnonzero(held).tolist() == list(range(10, 10 + LONGEST))


def test_the_first_frame_may_lack_joints(joints):
    lacking = joints[0].copy()
    lacking[[3, 12]] = np.nan
    found, held = Steadying().joints(lacking)
    assert np.flatnonzero(held).tolist() == [3, 12]
    assert np.isfinite(found).all()


def test_calm_poses_tremble_less_and_bones_settle(joints):
    random = np.random.default_rng(0)
    true = 0.3 * random.normal(size=(1, 17, 3)).repeat(120, axis=0)
    rough = true + 0.005 * random.normal(size=true.shape)
    person = Steadying()
    calm = np.array([person.pose(pose, t / 30) for t, pose in enumerate(rough)])

    def trembling(poses):
        return np.linalg.norm(np.diff(poses[40:], 2, axis=0), axis=2).mean()

    assert trembling(calm) < 0.5 * trembling(rough)
    length = np.linalg.norm(calm[60:, 3] - calm[60:, 2], axis=1)
    assert np.ptp(length) < 0.01


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    out = tmp_path_factory.mktemp("stream")
    quick = ["--train-every", "60", "--test-every", "60", "--device", "cpu"]
    main(
        ["train", "--network", "hgn", "--channels", "4", "--epochs", "1", *quick, "--out", str(out)]
    )
    main(["sample", "--convention", "coco17", "--out", str(out / "keypoints.json")])
    return out / "weights.safetensors"


def frames_of(weights):
    read = json.loads((weights.parent / "keypoints.json").read_text())
    return "".join(json.dumps(f["persons"][0]["keypoints"]) + "\n" for f in read["frames"])


def test_standard_input_gives_what_predict_gives_but_calmer(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(exported, "NEEDED", ("no_such_package",))
    monkeypatch.setattr(sys, "stdin", io.StringIO(frames_of(weights)))
    capsys.readouterr()
    main(["stream", "--weights", str(weights)])
    printed = capsys.readouterr()
    found = np.array([json.loads(line)["pose"] for line in printed.out.splitlines()])
    assert "39 frames by PyTorch, for no_such_package are not installed: median" in printed.err
    plain = ["--smooth", "0", "--no-one-length", "--no-page", "--device", "cpu"]
    keypoints = str(weights.parent / "keypoints.json")
    main(["predict", keypoints, "--weights", str(weights), *plain, "--out", str(tmp_path)])
    alone = prediction.load(tmp_path / "prediction.npz").pose
    np.testing.assert_allclose(found[0], alone[0], atol=0.02)  # before anything is filtered
    assert np.linalg.norm(found - alone, axis=2).mean() < 0.06


def test_a_socket_takes_lines_and_answers_each(weights, monkeypatch, capsys):
    monkeypatch.setattr(exported, "NEEDED", ("no_such_package",))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["stream", "--weights", str(weights), "--port", str(port)]
    server = threading.Thread(target=main, args=(command,))
    server.start()
    lines = frames_of(weights).splitlines()
    for _ in range(600):
        try:
            sender = socket.create_connection(("127.0.0.1", port))
            break
        except OSError:
            time.sleep(0.1)
    with sender, sender.makefile("rw", encoding="utf-8") as ends:
        for number, line in enumerate(lines[:3]):
            ends.write(line + "\n")
            ends.flush()
            assert json.loads(ends.readline())["frame"] == number
        sender.shutdown(socket.SHUT_WR)
    server.join(60)
    assert not server.is_alive()


@pytest.mark.slow
def test_the_exported_network_answers_as_the_network_itself(weights, tmp_path, monkeypatch):
    for name in exported.NEEDED:
        pytest.importorskip(name)
    import torch

    from examples.hgn_pose.body.built_in import load_body
    from examples.hgn_pose.lifting.lifter import Lifter

    model = Lifter.load(weights, load_body(), torch.device("cpu")).model
    answer, how = exported.answering(model, tmp_path)
    assert how.startswith("onnxruntime")
    assert len(list(tmp_path.glob("*.onnx"))) == 1
    monkeypatch.setattr(exported, "onnx_model", None)  # the second time it is not needed
    answer, _ = exported.answering(model, tmp_path)
    monkeypatch.setattr(exported, "NEEDED", ("no_such_package",))
    plain, _ = exported.answering(model, tmp_path)
    images = np.random.default_rng(0).uniform(-0.4, 0.4, (5, 17, 2)).astype(np.float32)
    for image in images:
        np.testing.assert_allclose(answer(image), plain(image), atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "2"], "threshold must lie between 0 and 1"),
        (["--port", "0"], "port must lie between 1 and 65535"),
        (["--fps", "0"], "fps"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with refused() as refusal:
        main(["stream", *options])
    assert message in refusal.message
