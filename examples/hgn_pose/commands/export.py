"""The export command: a network as one file for other programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import torch
import tyro

from examples.hgn_pose.body.options import BodyOptions
from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.lifting.lifter import Lifter
from examples.hgn_pose.lifting.portable import (
    Portable,
    check_ending,
    difference,
    facts_of,
    write_portable,
)
from examples.hgn_pose.network.weights import weights_file

MOST_DIFFERENCE = 1e-4
"""Between the answers of the file and of the network, metres, or a share of answers farther away;
more is no rounding."""


@dataclass(frozen=True)
class Export:
    """Write a trained network as ONNX or as a program of PyTorch, from pixels to metres."""

    weights: Annotated[Path, tyro.conf.Positional] = Path("video")
    """File of weights that demo or train wrote, or video, clips, robust, studio or lifter, those
    that come along."""
    out: Path = Path("runs/export/network.onnx")
    """File to write: .onnx, for onnxruntime and its kin, or .pt2, for PyTorch without this
    package."""
    flip: bool = True
    """Ask for the mirrored joints too and average, as predict does: twice the work."""
    body: Annotated[BodyOptions, Flat] = field(default_factory=BodyOptions)

    def run(self) -> None:
        check_ending(self.out)
        weights = weights_file(self.weights)
        lifter = Lifter.load(weights, self.body.load(), torch.device("cpu"))
        whole = Portable(lifter, flip=self.flip).eval()
        write_portable(whole, self.out, facts_of(whole, lifter, weights.name))
        print(f"wrote {self.out}, {self.out.stat().st_size / 2**20:.1f} MB")
        if self.out.suffix == ".onnx" and find_spec("onnxruntime") is None:
            print("not compared with the network: onnxruntime is not installed")
            return
        found = difference(whole, self.out)
        if not found <= MOST_DIFFERENCE:
            raise ValueError(
                f"{self.out} answers up to {1000 * found:.2f} mm off the network; do not use it, "
                "and take the other ending"
            )
        print(f"answers are those of the network to {1000 * found:.6f} mm, for 1 and for 3 people")
