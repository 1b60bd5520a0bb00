"""Functions that several processes run together, as torchrun would start them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

START = """
import faulthandler, importlib, os, signal, sys
sys.path[:0] = sys.argv[1].split(os.pathsep)
module, function, folder, size = sys.argv[2:]
run = getattr(importlib.import_module(module), function)
children = set()
for rank in range(int(size)):
    child = os.fork()
    if child:
        children.add(child)
    else:
        os.environ["RANK"] = os.environ["LOCAL_RANK"] = str(rank)
        import torch
        faulthandler.dump_traceback_later(200, exit=True)
        torch.set_num_threads(1)
        status = 1
        try:
            torch.save(run(folder), f"{folder}/{rank}.pt")
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
failed = False
while children:
    child, status = os.wait()
    children.remove(child)
    if status and not failed:
        failed = True
        for other in children:  # they would wait for it
            os.kill(other, signal.SIGKILL)
sys.exit(failed)
"""
"""They are forked, so that all start at once and one process imports torch for all."""


def environment(size: int) -> dict[str, str]:
    """What torchrun tells all of its processes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    return {
        "MASTER_ADDR": "localhost",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size),
        "OMP_NUM_THREADS": "1",
    }


def run_together(module: str, function: str, folder: Path, size: int = 2) -> list[Any]:
    """Run a function of a test module, which takes a folder, in processes that know their rank.

    Returns what each returned, which is of tensors, numbers, texts, lists and dicts.
    """
    paths = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-c", START, paths, module, function, str(folder), str(size)]
    for _ in range(3):
        there = os.environ | environment(size)
        ended = subprocess.run(command, env=there, capture_output=True, text=True, timeout=240)
        if "EADDRINUSE" not in ended.stderr:  # somebody else took the port in between
            break
    assert ended.returncode == 0, ended.stderr
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(size)]
