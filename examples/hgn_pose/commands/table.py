"""The table command: train what is missing of a table, and write it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions, in_one_line
from examples.hgn_pose.commands.runs import Run, carry_out
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.files.writing import write_bytes
from examples.hgn_pose.pictures.plots import png
from examples.hgn_pose.pictures.table_figure import table_figure
from examples.hgn_pose.tables.paper import TABLES
from examples.hgn_pose.tables.summary import as_csv, as_markdown, line_of
from examples.hgn_pose.tables.table import FIGURES, Entry
from examples.hgn_pose.training.options import TrainingOptions
from examples.hgn_pose.training.recipes import RecipeName

SECONDS_BETWEEN_STATES = 20

if TYPE_CHECKING:
    TableName = str
else:
    TableName = tyro.extras.literal_type_from_choices(TABLES)


@dataclass(frozen=True)
class MakeTable:
    """Train what is missing of a table, several runs side by side, and write it with its picture.

    All networks of a table are trained alike: data, augmentation, schedule, epochs. Runs that are
    over are not trained again, in no table; those that were stopped go on.
    """

    name: Annotated[
        TableName,
        tyro.conf.Positional,
        tyro.conf.arg(help="; ".join(f"{name}: {t.title}" for name, t in TABLES.items())),
    ]
    data: Annotated[DataOptions, Flat] = field(default_factory=DataOptions)
    recipe: RecipeName = "published"
    """What the options of training are by default. published: as Li et al. 2021; modern: 6,000
    steps of 1,024, AdamW and a cosine, the loss of plain distances, bfloat16, a mean of weights,
    people with other bones and limbs, no meshes."""
    training: Annotated[TrainingOptions, Flat] = field(default_factory=TrainingOptions)
    machine: Annotated[MachineOptions, Flat] = field(default_factory=MachineOptions)
    seeds: tuple[int, ...] = (0, 1, 2)
    """A run for each of them."""
    together: int = 6
    """Runs side by side; on a processor it saves nothing."""
    out: Path = Path("runs/tables")
    """Folder for the runs and for table-NAME.md, .csv and .png; where performers are held out, for
    a folder of them with these."""

    def run(self) -> None:
        table = TABLES[self.name]
        device = self.machine.prepare()
        data = self.data.settled()
        runs = [(entry, self._runs(entry)) for entry in table.entries]
        missing = [run for _, chosen in runs for run in chosen if not run.metrics.exists()]
        carry_out(
            missing,
            data,
            device,
            together=self.together,
            seconds_between_states=SECONDS_BETWEEN_STATES,
        )
        results = [(entry, [run.read_metrics(data) for run in chosen]) for entry, chosen in runs]
        lines = [line_of(entry, metrics) for entry, metrics in results]
        machines = dict.fromkeys(
            in_one_line(one["machine"]) for _, metrics in results for one in metrics
        )
        text = as_markdown(table, lines)
        told = (
            f"{table.title}. {data.data}, {self.training.length}, batches of "
            f"{self.training.batch_size}, seeds {', '.join(map(str, self.seeds))}: mean and "
            f"standard deviation. {'; '.join(machines)}."
        )
        if data.validation:
            told += f" Measured on training performers held out: {', '.join(data.validation)}."
        if table.source:
            told += f" Paper: {table.source}."
        first = table.columns[0]
        rows = [
            (
                f"{line.entry.label}, {line.entry.network.width}",
                list(line.figures[first]),
                line.entry.paper.get(first),
            )
            for line in lines
        ]
        place = self._folder / f"table-{table.name}"
        write_bytes(place.with_suffix(".md"), f"{told}\n\n{text}\n".encode())
        write_bytes(place.with_suffix(".csv"), as_csv(table, lines, self.seeds).encode())
        write_bytes(place.with_suffix(".png"), png(table_figure(table.title, rows, FIGURES[first])))
        print(f"\n{told}\n\n{text}\n\nwrote {place}.md, .csv and .png")

    @property
    def _folder(self) -> Path:
        validation = self.data.validation
        return self.out / f"held-out-{'-'.join(validation)}" if validation else self.out

    def _runs(self, entry: Entry) -> list[Run]:
        return [
            Run(
                self._folder / entry.folder / f"seed{seed}",
                entry.network,
                self._training(entry, seed),
            )
            for seed in self.seeds
        ]

    def _training(self, entry: Entry, seed: int) -> TrainingOptions:
        return replace(
            self.training,
            seed=seed,
            lambda_mesh=entry.lambda_mesh if entry.network.has_meshes else 0.0,
            loss_reduction=entry.loss_reduction or self.training.loss_reduction,
        )
