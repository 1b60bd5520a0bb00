"""Work beside what others wait for, in a recording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from multiscale_gcn.ops.kernels import asides
from multiscale_gcn.ops.kernels.asides import Aside, beside, is_beside, is_recorded


class Streams:
    """Notes who waits for whom."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.noted: list[str] = []
        self.current = "main"
        main = self.stream("main", 7)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: main)
        monkeypatch.setattr(torch.cuda, "stream", self.entered)
        monkeypatch.setattr(
            asides, "stream_beside", lambda device, key: self.stream(f"beside {key}", 8)
        )

    def stream(self, name: str, number: int) -> Any:
        def wait(other: Any) -> None:
            self.noted.append(f"{name} waits for {other.name}")

        return SimpleNamespace(name=name, wait_stream=wait, cuda_stream=number)

    @contextmanager
    def entered(self, stream: Any) -> Iterator[None]:
        before, self.current = self.current, stream.name
        yield
        self.current = before


def test_without_a_recording_it_is_done_at_once() -> None:
    assert not is_recorded(torch.zeros(3))
    assert not is_beside()
    assert beside(lambda: 3) == 3


def test_in_a_recording_it_is_done_on_another_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch)
    with Aside(torch.device("cpu")):
        assert is_beside()
        for _ in range(2):
            assert beside(lambda: streams.current, torch.zeros(3)) == "beside 7"
        assert streams.current == "main"
        streams.noted.append("the next kernel")
    assert not is_beside()
    assert streams.noted == [
        *["beside 7 waits for main"] * 2,
        "the next kernel",
        "main waits for beside 7",
    ]


def test_where_nothing_is_beside_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch)
    with Aside(torch.device("cpu")):
        pass
    assert streams.noted == []


def test_what_is_read_is_kept_until_both_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    Streams(monkeypatch)
    with Aside(torch.device("cpu")) as aside:
        beside(lambda: None, torch.zeros(3))
        ((kept,),) = aside._kept
        assert torch.equal(kept, torch.zeros(3))
    assert not aside._kept


def test_a_failure_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    Streams(monkeypatch)
    with pytest.raises(ZeroDivisionError), Aside(torch.device("cpu")):
        beside(lambda: 1 / 0)
    assert not is_beside()
