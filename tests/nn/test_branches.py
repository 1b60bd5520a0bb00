"""Parts of a network that are recorded side by side."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from multiscale_gcn.nn import branches
from multiscale_gcn.nn.branches import side_by_side


def test_outside_of_recordings_parts_take_turns() -> None:
    parts = [nn.Linear(3, 2) for _ in range(3)]
    inputs = [torch.rand(4, 3) for _ in parts]
    for part, x, y in zip(parts, inputs, side_by_side(parts, inputs), strict=True):
        assert torch.equal(part(x), y)
    assert side_by_side([], []) == []


class Streams:
    """Notes who waits for whom and what runs where."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.noted: list[tuple[Any, ...]] = []
        self.current = "main"
        monkeypatch.setattr(branches, "is_recorded", lambda x: True)
        monkeypatch.setattr(
            branches, "stream_beside", lambda device, number: self.stream(f"s{number}")
        )
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: self.stream("main"))
        monkeypatch.setattr(torch.cuda, "stream", self.enter)
        monkeypatch.setattr(Tensor, "record_stream", lambda x, s: None)

    def beside(self, device: torch.device, number: int) -> Any:
        return self.stream(f"s{number}")

    def stream(self, name: str) -> Any:
        def wait(other: Any) -> None:
            self.noted.append((name, "waits for", other.name))

        return SimpleNamespace(name=name, wait_stream=wait)

    def enter(self, stream: Any) -> Any:
        self.current = stream.name
        return nullcontext()


class Notes(nn.Module):
    def __init__(self, streams: Streams, name: str) -> None:
        super().__init__()
        self.streams, self.name = streams, name

    def forward(self, x: Tensor) -> Tensor:
        self.streams.noted.append((self.name, "runs on", self.streams.current))
        return x + 1


def test_in_a_recording_every_part_has_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch)
    parts = [Notes(streams, name) for name in "abc"]
    results = side_by_side(parts, [torch.full((), float(k)) for k in range(3)])
    assert [float(y) for y in results] == [1, 2, 3]
    assert streams.noted == [
        ("s0", "waits for", "main"),
        ("s1", "waits for", "main"),
        ("a", "runs on", "s0"),
        ("b", "runs on", "s1"),
        ("c", "runs on", "main"),
        ("main", "waits for", "s0"),
        ("main", "waits for", "s1"),
    ]


def test_parts_with_a_module_in_common_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams(monkeypatch)
    shared = Notes(streams, "shared")
    side_by_side([nn.Sequential(shared), nn.Sequential(shared)], [torch.zeros(())] * 2)
    assert streams.noted == [("shared", "runs on", "main")] * 2
