"""The train command on two processes: one of them writes, and one says what is wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
import torch.distributed as dist
from processes_together import run_together
from refusals import refused

from examples.hgn_pose.__main__ import main
from examples.hgn_pose.files import writing
from examples.hgn_pose.network.tensor_files import read_tensors
from examples.hgn_pose.training.processes import own_device

ROOT = Path(__file__).parents[3]
TRAIN = ["train", "--network", "mlp", "--channels", "2", "--batch-size", "8", "--device", "cpu"]
TRAIN += ["--dropout", "0"]
TRAIN += ["--data", "builtin", "--train-every", "200", "--test-every", "200"]


def curve(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    return [record["loss"] for record in metrics["history"]]


def several(folder):
    """Two runs, and what went wrong in others."""
    first = os.environ["RANK"] == "0"
    port = int(os.environ["MASTER_PORT"])
    found: dict[str, list[int | str | None]] = {}

    def run(name, *arguments):
        nonlocal port
        text = Path(folder) / f"{name}-{os.environ['RANK']}.txt"
        with (
            text.open("w") as out,
            patch.multiple(sys, stdout=out, stderr=out),
            patch.object(writing, "whole_file", writes if first else nobody),
            patch.object(dist, "rendezvous", keep),
        ):
            try:
                main([*arguments])
                status: int | str | None = 0
            except SystemExit as end:
                status = end.code
        if dist.is_initialized():
            dist.destroy_process_group()
        port += 1
        os.environ["MASTER_PORT"] = str(port)
        found[name] = [status, text.read_text()]

    def keep(url):
        """The store is the first process's here and must stay; torchrun has one of its own."""
        for meeting in meet(url):
            kept.append(meeting)
            yield meeting

    kept: list[tuple[dist.Store, int, int]] = []
    meet = dist.rendezvous
    writes = writing.whole_file
    out = ["--out", str(Path(folder) / "run")]
    run("train", *TRAIN, "--epochs", "2", *out)
    run("resumed", *TRAIN, "--epochs", "3", *out, "--resume")
    run("again", *TRAIN, "--epochs", "3", *out)
    run("no epochs", *TRAIN, "--epochs", "0", *out)
    run("demo", "demo")
    run("seeds", *TRAIN, "--seeds", "1", "2", "--out", str(Path(folder) / "seeds"))
    run("few", *TRAIN[:6], "1", *TRAIN[7:], "--out", str(Path(folder) / "few"))
    store = kept[-1][0]
    store.wait(["over"]) if first else store.set("over", "")
    return found


def nobody(path):
    raise AssertionError(f"the second process writes {path}")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("both")
    return folder, run_together("test_torchrun", "several", folder)


def test_one_process_writes_and_speaks(both, tmp_path):
    folder, (first, second) = both
    assert first["train"][0] == second["train"][0] == 0
    assert first["train"][1].count("wrote") == 1
    assert second["train"][1] == ""
    names = {path.name for path in (folder / "run").iterdir()}
    assert names == {"weights.safetensors", "state.safetensors", "metrics.json"}


def test_the_curve_is_that_of_one_process_and_goes_on(both, tmp_path):
    folder, found = both
    assert [one["resumed"][0] for one in found] == [0, 0]
    main([*TRAIN, "--epochs", "3", "--out", str(tmp_path)])
    assert curve(folder / "run") == pytest.approx(curve(tmp_path), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("again", "holds an earlier run; --resume goes on with it"),
        ("no epochs", "epochs must be at least 1, got 0"),
        ("demo", "train alone runs on several processes"),
        ("seeds", "are trained side by side by one process"),
        ("few", "batch_size = 1 leaves 1 of"),
    ],
)
def test_what_is_wrong_is_said_once(both, name, message):
    _, found = both
    assert [one[name][0] for one in found] == [2, 2]
    texts = [one[name][1] for one in found]
    assert sum(text.count("error:") for text in texts) == 1
    assert message in "".join(texts)


def test_a_process_that_is_killed_ends_the_run_in_a_sentence(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "examples.hgn_pose", *TRAIN]
    command += ["--out", str(out), "--epochs", "100000"]
    run = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        state = out / "state.safetensors"
        while not state.exists():
            assert run.poll() is None
            time.sleep(0.05)
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        os.kill(int(children[1]), signal.SIGKILL)
        _, errors = run.communicate(timeout=60)
    finally:
        if run.poll() is None:
            run.kill()
    assert run.returncode == 1
    assert errors.count("error: a process of this run ended or was stopped") == 1
    assert errors.count("Traceback (most recent") == 1  # of torchrun, about the killed one
    assert len(list(out.iterdir())) == 1
    done = len(read_tensors(state, "training")[0]["records"])
    assert done >= 1
    main([*TRAIN, "--out", str(out), "--epochs", str(done + 1), "--resume"])
    assert len(curve(out)) == done + 1


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    cuda = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert own_device(cuda) == cuda
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert own_device(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(ValueError, match="2 processes need a GPU each, and PyTorch sees 1"):
        own_device(cuda)
    with pytest.raises(ValueError, match=r"'cuda:0' is one GPU for 2 processes"):
        own_device(torch.device("cuda:0"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert own_device(cuda) == torch.device("cuda:1")
    assert chosen == [1]
    monkeypatch.setenv("WORLD_SIZE", "1")
    with refused() as refusal:
        main(["train", "--device", "quantum"])
    assert "unknown" in refusal.message
