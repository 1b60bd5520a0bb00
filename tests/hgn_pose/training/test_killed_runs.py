"""A run that is killed, again and again, ends like one that was never killed."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hostile import SCALE
from test_checkpoint import PASSPORT, trainer

from examples.hgn_pose.training.checkpoint import resume_training, save_training
from examples.hgn_pose.training.options import TrainingOptions

OPTIONS = TrainingOptions(epochs=400, batch_size=16)
KILLS = 5
HERE = Path(__file__).parent

KILLED = f"""
import os, random, signal, sys, time
sys.path[:0] = {[str(HERE), str(HERE.parents[0] / "helpers")]}
import test_killed_runs
random.seed(int(sys.argv[2]))
for _ in range({KILLS}):
    child = os.fork()
    if not child:
        test_killed_runs.go_on(sys.argv[1], OPTIONS)
        os._exit(0)
    time.sleep(random.uniform(0.1, 0.6))
    for _ in range(600):  # the first one has to have saved something
        if os.path.exists(os.path.join(sys.argv[1], "state.safetensors")):
            break
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
""".replace("OPTIONS", "test_killed_runs.OPTIONS")
"""The children are forked, so that all start at once and none has to import torch again."""


def go_on(folder, options):
    """Train from the state in a folder, if there is one, and save every epoch."""
    torch.set_num_threads(1)
    state = Path(folder) / "state.safetensors"
    here = trainer(options)
    if state.exists():
        resume_training(state, here, PASSPORT)
    here.fit(after_epoch=lambda self: save_training(state, self, PASSPORT))
    return here


@pytest.fixture
def one_thread():
    """On a CPU a run gives the same bits only for the same number of threads."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
def test_a_run_killed_five_times_ends_like_one_that_never_was(tmp_path):
    for seed in range(SCALE):
        folder = tmp_path / str(seed)
        folder.mkdir()
        command = [sys.executable, "-c", KILLED, str(folder), str(seed)]
        subprocess.run(command, check=True, cwd=HERE.parents[2], capture_output=True)
        killed = trainer(OPTIONS)
        resume_training(folder / "state.safetensors", killed, PASSPORT)
        epochs = len(killed.records)
        assert 1 <= epochs < OPTIONS.epochs

        options = TrainingOptions(epochs=epochs + 2, batch_size=OPTIONS.batch_size)
        resumed = go_on(folder, options)
        straight = trainer(options)
        straight.fit()
        assert resumed.records == straight.records
        for name, value in straight.tensors().items():
            assert torch.equal(value, resumed.tensors()[name]), name
        assert [path.name for path in folder.iterdir()] == ["state.safetensors"]
