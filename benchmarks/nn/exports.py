"""Export every network of the example's registry, and say how far the files' answers are off.

Run from a clone: ``python -m benchmarks.nn.exports``, with ``--endings .onnx .pt2``. The networks
are narrow and were not trained; answers for one person and for three are compared with those of
the network, in millimetres.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from examples.hgn_pose.body.options import BodyOptions
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.lifting.lifter import Lifter
from examples.hgn_pose.lifting.portable import Portable, difference, facts_of, write_portable
from examples.hgn_pose.network.building import NetworkOptions, build_network
from examples.hgn_pose.network.passports import passport_of
from examples.hgn_pose.network.registry import ARCHITECTURES
from examples.hgn_pose.network.weights import save_weights

CHANNELS = 8
STEPS_PER_SECOND = 25.0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", choices=ARCHITECTURES, default=[*ARCHITECTURES])
    parser.add_argument("--endings", nargs="+", default=[".pt2", ".onnx"])
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    body = BodyOptions().load()
    for name in options.networks:
        width = max(CHANNELS, ARCHITECTURES[name].channels_step)
        network = NetworkOptions(name, channels=width)
        hierarchy = network.graphs.of(body)
        steps = STEPS_PER_SECOND if network.window > 1 else None
        passport = passport_of(network, body, hierarchy, DataOptions(), network.has_meshes, steps)
        with TemporaryDirectory() as folder:
            weights = Path(folder) / "weights.safetensors"
            save_weights(weights, build_network(network, hierarchy, 0, body), passport)
            lifter = Lifter.load(weights, body, torch.device("cpu"))
            whole = Portable(lifter, flip=True).eval()
            for ending in options.endings:
                path = weights.with_suffix(ending)
                try:
                    write_portable(whole, path, facts_of(whole, lifter, weights.name))
                    text = f"{1000 * difference(whole, path):.6f} mm"
                except ValueError as error:
                    text = str(error)[:60]
                print(f"{name:22} {ending:6} {network.window:3} frames  {text}", flush=True)


if __name__ == "__main__":
    main()
