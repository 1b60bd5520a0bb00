"""The robustness command: how errors grow as what networks see gets worse, or other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tqdm.auto import tqdm

from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions, describe_machine, in_one_line
from examples.hgn_pose.commands.table import TableName
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.files.writing import make_folder, write_bytes, write_json
from examples.hgn_pose.measuring.comparison import ComparedNetwork, load_for_comparison
from examples.hgn_pose.measuring.conditions import (
    TITLES,
    check_levels,
    conditions,
    usual_levels,
)
from examples.hgn_pose.measuring.curves import Curves, Point, as_csv, as_markdown, as_text
from examples.hgn_pose.measuring.noise import KINDS
from examples.hgn_pose.network.registry import ARCHITECTURES
from examples.hgn_pose.network.weights import SHIPPED_WEIGHTS
from examples.hgn_pose.pictures.plots import png
from examples.hgn_pose.pictures.robustness_curves import robustness_curves
from examples.hgn_pose.samples.preparing import PreparedData
from examples.hgn_pose.tables.paper import TABLES

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class Robustness:
    """Change what networks see of the test frames more and more, and measure them on it."""

    weights: Annotated[tuple[Path, ...], tyro.conf.Positional] = ()
    """Files of weights that demo or train wrote, or folders of a run or of runs that differ in
    their seeds, which count as one network; by default those of the studio, which come with
    the example."""
    table: TableName | None = None
    """The networks of a table that was made, in place of files: every line with all its seeds."""
    runs: Path = Path("runs/tables")
    """With --table: the folder that it was made in."""
    noise: tuple[Literal["jitter", "missing", "swaps", "outliers", "detector"], ...] = (
        "jitter",
        "missing",
        "swaps",
        "outliers",
        "detector",
    )
    """Kinds of noise."""
    scene: tuple[Literal["occlusion", "height", "azimuth", "focal", "limbs"], ...] = ()
    """occlusion: errors by how many joints the own body hides; and what networks were not trained
    on: other heights and directions of the cameras, another lens, longer or shorter limbs."""
    levels: tuple[float, ...] = ()
    """Pixels of a 1,000-pixel image (jitter, detector), shares of joints or limbs (the other
    noise), or what the scene turns; for one kind, each has levels of its own."""
    seed: int = 0
    """Of the noise; every network sees the same."""
    flip_test: bool = False
    """Average every answer with the mirrored answer to the mirrored input."""
    data: Annotated[DataOptions, Flat] = field(default_factory=DataOptions)
    machine: Annotated[MachineOptions, Flat] = field(default_factory=MachineOptions)
    out: Path = Path("runs/robustness")
    """Folder for robustness.json, .md, .csv and .png."""

    def run(self) -> None:
        levels = self._levels()
        groups = self._groups()
        make_folder(self.out)
        device = self.machine.prepare()
        files = [path for _, paths in groups for path in paths]
        networks, prepared, data = load_for_comparison(files, self.data, device, meshes=False)
        named = _named(groups, networks)
        curves = {
            factor: self._curves(named, prepared, factor, chosen)
            for factor, chosen in levels.items()
        }
        for factor, lines in curves.items():
            print(f"\n{TITLES[factor][0]}: MPJPE, mm\n{as_text(factor, lines)}")
        paths = {
            name: [str(path) for path in paths]
            for name, (_, paths) in zip(named, groups, strict=True)
        }
        machine = describe_machine(device)
        report = {
            "noise": _as_json({k: lines for k, lines in curves.items() if k in KINDS}),
            "scenes": _as_json({k: lines for k, lines in curves.items() if k not in KINDS}),
            "seed": self.seed,
            "flip_test": self.flip_test,
            "weights": {k: names[0] if len(names) == 1 else names for k, names in paths.items()},
            "data": data.data,
            "split": prepared.split,
            "machine": machine,
        }
        told = (
            f"{data.data}, {prepared.split['test_frames']} frames, measured on "
            f"{prepared.split['measured_on']} people. {in_one_line(machine)}.\n\n"
        )
        write_json(self.out / "robustness.json", report)
        write_bytes(self.out / "robustness.md", (told + as_markdown(curves)).encode())
        write_bytes(self.out / "robustness.csv", as_csv(curves).encode())
        write_bytes(self.out / "robustness.png", png(robustness_curves(curves)))
        print(f"\nwrote robustness.json, .md, .csv and .png to {self.out}")

    def _levels(self) -> dict[str, tuple[float, ...]]:
        """Of every factor that is asked for."""
        factors: tuple[str, ...] = (*self.noise, *self.scene)
        if self.levels and len(factors) != 1:
            raise ValueError(
                f"levels are given for {len(self.noise)} kinds of noise and {len(self.scene)} "
                "scenes; name one with --noise, or with --noise and nothing behind it and --scene"
            )
        levels = {factor: tuple(self.levels) or usual_levels(factor) for factor in factors}
        for factor, chosen in levels.items():
            check_levels(factor, chosen)
        if not levels:
            raise ValueError("noise and scene are empty; name something to measure by")
        return levels

    def _groups(self) -> list[tuple[str, list[Path]]]:
        """What to call a network, empty for the name of its kind, and the weights of its runs."""
        if self.table is not None:
            if self.weights:
                raise ValueError("weights and table both name networks; give one of them")
            return [
                (f"{entry.label}, {entry.network.width}", _found(self.runs / entry.folder))
                for entry in TABLES[self.table].entries
            ]
        return [("", _found(path)) for path in self.weights or (SHIPPED_WEIGHTS,)]

    def _curves(
        self,
        named: dict[str, list[ComparedNetwork]],
        prepared: PreparedData,
        factor: str,
        levels: Sequence[float],
    ) -> Curves:
        curves: dict[str, list[Point]] = {name: [] for name in named}
        shown = conditions(prepared.test, prepared.cameras, factor, levels, self.seed)
        with tqdm(
            total=len(levels), desc=TITLES[factor][0], dynamic_ncols=True, disable=None
        ) as bar:
            for condition in shown:
                for name, networks in named.items():
                    errors = [
                        condition.errors(
                            n.model, frames=n.frames, spacing=n.spacing, flip=self.flip_test
                        )
                        for n in networks
                    ]
                    curves[name].append(
                        Point(
                            condition.level,
                            tuple(one["mpjpe_mm"] for one in errors),
                            tuple(one["pa_mpjpe_mm"] for one in errors),
                        )
                    )
                bar.update()
        return curves


def _found(path: Path) -> list[Path]:
    """Weights in a folder of a run or of runs; a file is itself."""
    if not path.is_dir():
        return [path]
    if (path / WEIGHTS).exists():
        return [path / WEIGHTS]
    files = sorted(path.glob(f"*/{WEIGHTS}"))
    if not files:
        raise FileNotFoundError(
            f"there are no runs in {path}: it holds neither {WEIGHTS} nor folders with one; train "
            "them with train or table"
        )
    return files


def _named(
    groups: Sequence[tuple[str, list[Path]]], networks: Sequence[ComparedNetwork]
) -> dict[str, list[ComparedNetwork]]:
    """The networks of every group by a name that nothing else has."""
    rest = iter(networks)
    members = [[next(rest) for _ in paths] for _, paths in groups]
    names = []
    for (label, paths), group in zip(groups, members, strict=True):
        kinds = {one.network for one in group}
        if len(kinds) > 1:
            raise ValueError(
                f"{paths[0].parent.parent} holds runs of {', '.join(sorted(kinds))}; give each "
                "network a folder of its own"
            )
        title = ARCHITECTURES[group[0].network].title
        names.append(label or (title if len(group) > 1 else group[0].name))
    often = Counter(names)
    return {
        name if often[name] == 1 else f"{name}, {paths[0].parent.parent.name}": group
        for name, (_, paths), group in zip(names, groups, members, strict=True)
    }


def _as_json(curves: dict[str, Curves]) -> dict[str, object]:
    return {
        factor: {
            "unit": TITLES[factor][1],
            "curves": {name: [p.as_json() for p in points] for name, points in lines.items()},
        }
        for factor, lines in curves.items()
    }
