"""The stream command: 2D joints in, line by line, and poses out as they come."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any

import numpy as np
import torch

from examples.hgn_pose.body.options import BodyOptions
from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.lifting.conventions import CONVENTIONS
from examples.hgn_pose.lifting.exported import Answer, answering
from examples.hgn_pose.lifting.lifter import Lifter
from examples.hgn_pose.lifting.live import Steadying
from examples.hgn_pose.lifting.mapping import Trunk, to_skeleton
from examples.hgn_pose.lifting.reading import ConventionName
from examples.hgn_pose.lifting.viewing import ChosenFraming, ViewOptions
from examples.hgn_pose.network.weights import weights_file
from multiscale_gcn.checks.arguments import real_number

Ask = Answer
"""From joints in pixels [17, 2] to their pose [17, 3]."""
LONGEST_LINE = 100_000
"""Characters; more are no person's joints."""


@dataclass(frozen=True)
class Stream:
    """Lift joints as they come: a line of JSON in for each frame, a line with its pose out."""

    convention: ConventionName = "coco17"
    """Which joints a line holds: a list of [x, y, confidence], alone or as "keypoints" of an object
    that may have "frame" and "seconds"."""
    weights: Path = Path("video")
    """File of weights that demo or train wrote, or video, robust, studio or lifter, those that come
    along; clips is not for streams, for it waits for a second to come."""
    view: Annotated[ViewOptions, Flat] = field(default_factory=ViewOptions)
    image_size: tuple[int, int] | None = None
    """Width and height in pixels, which the options of the camera need; by default the person is
    taken to stand in the middle of the image, and poses are as seen by a camera that looks there.
    """
    body: Annotated[BodyOptions, Flat] = field(default_factory=BodyOptions)
    fps: float = 30.0
    """Frames per second, for lines without "seconds"."""
    threshold: float = 0.3
    """Joints of less confidence count as not seen."""
    port: int | None = None
    """Listen to this port of this machine for one sender, instead of reading standard input."""
    networks: Path = Path("runs/networks")
    """Folder for the network as ONNX, which is made once."""

    def run(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must lie between 0 and 1, got {self.threshold}")
        real_number(self.fps, "fps", above=0)
        if self.port is not None and not 0 < self.port < 65536:
            raise ValueError(f"port must lie between 1 and 65535, got {self.port}")
        if self.image_size is not None and min(self.image_size) < 1:
            raise ValueError(f"image_size must be positive, got {self.image_size}")
        torch.set_num_threads(1)
        weights = weights_file(self.weights)
        lifter = Lifter.load(weights, self.body.load(), torch.device("cpu"))
        if lifter.window > 1:
            raise ValueError(
                f"{weights} is given clips of {lifter.window} frames, and a stream shows one at a "
                "time; take weights of a network for single frames"
            )
        ask, how = self._asking(lifter)
        took: list[tuple[float, float]] = []
        with self._ends() as (lines, out):
            for reply, waited, worked in replies(lines, self, lifter.trunk, ask):
                out.write(json.dumps(reply, allow_nan=False, separators=(",", ":")) + "\n")
                out.flush()
                if "pose" in reply:
                    took.append((1000 * waited, 1000 * worked))
        print(latency(took, how), file=sys.stderr)

    def _asking(self, lifter: Lifter) -> tuple[Ask, str]:
        """From joints [17, 2] to a pose [17, 3], and what does it."""
        size = self.image_size or (1, 1)
        view = self.view.read(size)
        if self.image_size is None and view.known:
            raise ValueError("image_size is missing: the camera is looked at; give --image-size")
        framing: ChosenFraming = "person" if self.image_size is None else "auto"
        answer, how = answering(lifter.model, self.networks)
        answer(np.zeros((17, 2), np.float32))  # the first one takes longer

        def ask(joints: np.ndarray) -> np.ndarray:
            asked = lifter.asked(joints[None], size, framing, view)
            return asked.turned_back(answer(asked.image[0])[None])[0]

        return ask, how

    @contextmanager
    def _ends(self) -> Iterator[tuple[IO[str], IO[str]]]:
        if self.port is None:
            yield sys.stdin, sys.stdout
            return
        with socket.create_server(("127.0.0.1", self.port)) as server:
            print(f"listening to port {self.port}", file=sys.stderr, flush=True)
            sender, _ = server.accept()
            with (
                sender,
                sender.makefile("r", encoding="utf-8") as lines,
                sender.makefile("w", encoding="utf-8") as out,
            ):
                yield lines, out


def replies(
    lines: IO[str], options: Stream, trunk: Trunk, ask: Ask
) -> Iterator[tuple[dict[str, Any], float, float]]:
    """For every line that is not empty what to say, the seconds that it took, and the processor's.

    A pose has ``frame``, ``seconds``, ``pose`` (17 x 3, metres, in the frame of the camera,
    relative to the pelvis) and ``held``, the joints that were not seen or not believed. A line that
    cannot be read has ``line`` and ``error``, and the stream goes on.
    """
    person = Steadying()
    number = 0
    line_number = 0
    while text := lines.readline(LONGEST_LINE + 1):
        line_number += 1
        start, at_work = time.perf_counter(), time.process_time()
        if not text.strip():
            continue
        try:
            frame_number, seconds, points, sure = read_line(text, options, number)
            joints, _ = to_skeleton(
                points[None], sure[None], options.convention, trunk, options.threshold
            )
            found, held = person.joints(joints[0])
            pose = person.pose(ask(found), seconds)
            reply = {
                "frame": frame_number,
                "seconds": round(seconds, 4),
                "pose": pose.round(4).tolist(),
                "held": np.flatnonzero(held).tolist(),
            }
            number += 1
        except ValueError as error:
            reply = {"line": line_number, "error": str(error)}
        yield reply, time.perf_counter() - start, time.process_time() - at_work


def read_line(text: str, options: Stream, number: int) -> tuple[int, float, np.ndarray, np.ndarray]:
    """Frame, seconds, points [K, 2] and confidence [K] of a line.

    Raises
    ------
    ValueError
        If it is no JSON, or holds no joints of the convention.
    """
    if len(text) > LONGEST_LINE:
        raise ValueError(f"the line has more than {LONGEST_LINE} characters; send a frame a line")
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError("the line is no JSON; send a list of [x, y, confidence]") from None
    facts: dict[str, Any] = value if isinstance(value, dict) else {"keypoints": value}
    count = len(CONVENTIONS[options.convention].points)
    try:
        points = np.array(facts.get("keypoints"), np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.zeros(0)
    if points.ndim == 1 and points.size == 3 * count:
        points = points.reshape(count, 3)
    if points.ndim != 2 or points.shape[0] != count or points.shape[1] not in (2, 3):
        raise ValueError(
            f"keypoints must be {count} times [x, y, confidence] for {options.convention}, got "
            f"shape {points.shape}; name another --convention"
        )
    frame_number = facts.get("frame", number)
    seconds = facts.get("seconds", number / options.fps)
    for name, found in (("frame", frame_number), ("seconds", seconds)):
        real_number(found, name)
    sure = points[:, 2] if points.shape[1] == 3 else np.ones(count)
    places = points[:, :2]
    lost = ~np.isfinite(points).all(axis=1) | (np.abs(places) > 1e9).any(axis=1)
    lost |= (places == 0).all(axis=1)
    return int(frame_number), float(seconds), places, np.where(lost, 0.0, np.nan_to_num(sure))


def latency(took: list[tuple[float, float]], how: str) -> str:
    """What the frames took, milliseconds from the end of a line to its answer.

    Parameters
    ----------
    took : list of pair of float
        By the clock, and by the processor, which may have had other things to do.
    how : str
        What ran.

    Examples
    --------
    >>> from examples.hgn_pose.commands.stream import latency
    >>> latency([(1.0, 1.0), (2.0, 1.5), (3.0, 1.6)], "PyTorch")
    '3 frames by PyTorch: median 2.00 ms a frame, 95 % 2.90, worst 3.00; processor 1.50'
    """
    if not took:
        return "no frame came"
    waited, worked = np.array(took).T
    median, most = np.quantile(waited, [0.5, 0.95])
    return (
        f"{len(took)} frames by {how}: median {median:.2f} ms a frame, 95 % {most:.2f}, worst "
        f"{waited.max():.2f}; processor {np.median(worked):.2f}"
    )
