"""The processes that torchrun started: who they are, and how they meet, speak and stop.

Each has a network and takes its share of every batch. One of them writes files and speaks.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import torch
import torch.distributed as dist
from torch import Tensor

LOST = (
    "a process of this run ended or was stopped, and the others cannot go on without it; "
    "train --resume goes on after the last whole epoch"
)
_LONG = timedelta(days=7)


@dataclass(frozen=True)
class Team:
    """The processes of one run; alone by default.

    Parameters
    ----------
    rank : int
        Of this process.
    size : int
        How many there are.
    group : ProcessGroup, optional
        Theirs, if they are not all that there are.
    store : Store, optional
        Where they leave word for each other.
    """

    rank: int = 0
    size: int = 1
    group: dist.ProcessGroup | None = None
    store: dist.Store | None = None

    def __deepcopy__(self, memo: object) -> Team:
        """Copies of what belongs to a team belong to the same."""
        return self

    @property
    def alone(self) -> bool:
        """Whether nobody is there to share with."""
        return self.size == 1

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def share(self, column: Tensor) -> Tensor:
        """This process's rows: the first processes have one more where they cannot be equal.

        Examples
        --------
        >>> import torch
        >>> [Team(rank, 3).share(torch.arange(8)).tolist() for rank in range(3)]
        [[0, 1, 2], [3, 4, 5], [6, 7]]
        """
        return column.tensor_split(self.size)[self.rank]

    def add_up(self, values: Tensor) -> None:
        """Put the sum over the processes in place of each's own values."""
        if not self.alone:
            dist.all_reduce(values, group=self.group)

    def gather(self, rows: Tensor) -> Tensor:
        """Rows of all processes, one after another; each must bring as many."""
        if self.alone:
            return rows
        everybody = [torch.empty_like(rows) for _ in range(self.size)]
        dist.all_gather(everybody, rows.contiguous(), group=self.group)
        return torch.cat(everybody)

    @contextmanager
    def one_first(self) -> Iterator[None]:
        """What one process of each machine does first, and the others when it is done.

        For what is kept in files: one writes them, and the others find them.
        """
        store = self.store
        if store is None:
            yield
            return
        turn = store.add(f"asked/{self.rank}", 1)
        done = f"first/{turn}/{os.environ.get('GROUP_RANK', '0')}"
        first = os.environ.get("LOCAL_RANK", "0") == "0"
        if not first:
            store.wait([done], _LONG)
        yield
        if first:
            store.set(done, "done")


ALONE = Team()


def expected() -> int:
    """How many processes torchrun says that there are; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def own_device(device: torch.device) -> torch.device:
    """The device of this process, of the kind that was asked for: each has a GPU of its own.

    Raises
    ------
    ValueError
        When one GPU is named for all, or when there are fewer GPUs than processes here.
    """
    if expected() == 1 or device.type != "cuda":
        return device
    if device.index is not None:
        raise ValueError(
            f"device {str(device)!r} is one GPU for {expected()} processes; give cuda, and each "
            "takes its own"
        )
    place, here = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if here > torch.cuda.device_count():
        raise ValueError(
            f"{here} processes need a GPU each, and PyTorch sees {torch.cuda.device_count()}; "
            "lower --nproc-per-node, or give --device cpu"
        )
    torch.cuda.set_device(place)
    return torch.device("cuda", place)


class Meeting:
    """The place where the processes of torchrun meet, before they have devices or groups.

    Without torchrun there is one process, and nothing to meet for.
    """

    def __init__(self) -> None:
        self._store: dist.Store | None = None
        self._rank, self._size = 0, expected()
        if self._size > 1:
            self._store, self._rank, self._size = next(dist.rendezvous("env://"))
            # Of other programs on the same machine: torchrun keeps one store for all attempts.
            attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
            self._store = dist.PrefixStore(f"hgn_pose/{attempt}", self._store)

    def team(self, device: torch.device) -> Team:
        """All processes as a team that computes on devices of this kind."""
        if self._store is None:
            return ALONE
        on_cuda = device.type == "cuda"
        dist.init_process_group(
            "nccl" if on_cuda else "gloo",
            store=self._store,
            rank=self._rank,
            world_size=self._size,
            device_id=device if on_cuda else None,
        )
        return Team(self._rank, self._size, store=self._store)

    def speaks_first(self) -> bool:
        """Whether no other process has said yet why the run ends."""
        if self._store is None:
            return True
        with suppress(RuntimeError):  # the store is gone: better said twice than never
            return self._store.add("told", 1) == 1
        return True

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Let one process speak: the first, and of an end the one that knows of it first.

        Raises
        ------
        ConnectionError
            When another process has gone.
        SystemExit
            After an error that another process has told.
        """
        if self._store is None:
            yield
            return
        self._tell_when_stopped()
        try:
            with _silence() if self._rank else nullcontext():
                yield
            if dist.is_initialized():
                gc.collect()  # recorded steps, which must go before what they speak through
                dist.destroy_process_group()
        except (ValueError, OSError, FloatingPointError) as error:
            self._after(error)
        except RuntimeError as error:
            if not _lost(error):
                raise
            self._after(ConnectionError(LOST))

    def _after(self, error: Exception) -> NoReturn:
        if self.speaks_first():
            raise error
        sys.exit(2)

    def _tell_when_stopped(self) -> None:
        """End with a sentence when torchrun stops this process, even while it waits for others.

        PyTorch waits outside Python, where signals are not handled. So a thread handles them.
        """
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing)
        signal.signal(signal.SIGTERM, lambda *_: None)

        def watch() -> None:
            while signal.SIGTERM not in os.read(reading, 1):
                pass
            if self.speaks_first():
                os.write(2, f"error: {LOST}\n".encode())
            os._exit(2)

        threading.Thread(target=watch, daemon=True).start()


@contextmanager
def first_speaks() -> Iterator[None]:
    """Let the first process alone say what all of them find, before they meet.

    Raises
    ------
    SystemExit
        In the others, in place of what is wrong with their input.
    """
    if os.environ.get("RANK", "0") == "0":
        yield
        return
    with _silence():
        try:
            yield
        except (ValueError, OSError):
            sys.exit(2)


@contextmanager
def _silence() -> Iterator[None]:
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _lost(error: RuntimeError) -> bool:
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()
