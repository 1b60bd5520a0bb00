"""The table command: train what is missing of a table, and write it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from examples.hgn_pose.commands.evaluate import Evaluate
from examples.hgn_pose.commands.flat import Flat
from examples.hgn_pose.commands.machine import MachineOptions, in_one_line
from examples.hgn_pose.commands.runs import Run, carry_out
from examples.hgn_pose.datasets.catalogue import CATALOGUE
from examples.hgn_pose.datasets.options import DataOptions
from examples.hgn_pose.files.writing import write_bytes
from examples.hgn_pose.measuring.protocols import ProtocolOptions
from examples.hgn_pose.pictures.plots import png
from examples.hgn_pose.pictures.table_figure import table_figure
from examples.hgn_pose.tables.paper import TABLES
from examples.hgn_pose.tables.summary import as_csv, as_markdown, line_of
from examples.hgn_pose.tables.table import Entry, Table, title_of
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
    folds: bool = False
    """Measure on all training performers: hold out those of every --fold in turn, and write means
    over folds and seeds to table-NAME-folds."""
    test_path: Path | None = None
    """Of table 7, which trains on one data set and measures on another: the folder of that."""
    out: Path = Path("runs/tables")
    """Folder for the runs and for table-NAME.md, .csv and .png; where performers are held out, for
    a folder of them with these."""

    def run(self) -> None:
        table = TABLES[self.name]
        data = self.data.settled()
        self._check(table, data)
        splits = self._splits(data)
        device = self.machine.prepare()
        for split in splits:
            runs = [run for entry in table.entries for run in self._runs(entry, split)]
            carry_out(
                [run for run in runs if not run.metrics.exists()],
                split,
                device,
                together=self.together,
                seconds_between_states=SECONDS_BETWEEN_STATES,
            )
        results = [
            (
                entry,
                [
                    self._metrics(run, table, split)
                    for split in splits
                    for run in self._runs(entry, split)
                ],
            )
            for entry in table.entries
        ]
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
        if table.others:
            inputs = dict.fromkeys(
                str(one["split"]["input"]) for _, metrics in results for one in metrics
            )
            told += f" Input: {', '.join(inputs)}."
        people = [" and ".join(split.validation) for split in splits if split.validation]
        if people:
            told += f" Measured on training performers held out: {'; '.join(people)}."
        if table.source:
            told += f" Paper: {table.source}."
        first = table.drawn or table.columns[0]
        rows = [
            (
                f"{line.entry.label}, {line.entry.network.width}",
                list(line.figures[first]),
                line.entry.paper.get(first),
            )
            for line in lines
        ]
        name = f"table-{table.name}"
        place = self.out / f"{name}-folds" if self.folds else self._folder(data) / name
        seeds = [
            f"{seed} of fold {split.fold}" if self.folds else str(seed)
            for split in splits
            for seed in self.seeds
        ]
        write_bytes(place.with_suffix(".md"), f"{told}\n\n{text}\n".encode())
        write_bytes(place.with_suffix(".csv"), as_csv(table, lines, seeds).encode())
        write_bytes(
            place.with_suffix(".png"), png(table_figure(table.title, rows, title_of(first)))
        )
        print(f"\n{told}\n\n{text}\n\nwrote {place}.md, .csv and .png")

    def _check(self, table: Table, data: DataOptions) -> None:
        """Refuse data that the table is not of."""
        if table.data and data.data not in table.data:
            raise ValueError(
                f"table {table.name} is of {' or '.join(table.data)}, and data is {data.data}; "
                f"give --data {table.data[0]} and --data-path, where your copy of it is"
            )
        if table.measured_on and self.test_path is None:
            raise ValueError(
                f"test_path is missing: table {table.name} measures on {table.measured_on}; give "
                "the folder of your copy of it"
            )
        if self.test_path is not None and not table.measured_on:
            raise ValueError(
                f"test_path names other data to measure on, and table {table.name} measures on "
                f"{data.data} itself; leave it out"
            )

    def _metrics(self, run: Run, table: Table, data: DataOptions) -> Mapping[str, Any]:
        """What a run came to, on the data that the table measures on."""
        metrics = run.read_metrics(data)
        if not table.measured_on:
            return metrics
        out = run.folder / f"{table.measured_on}.json"
        Evaluate(
            run.folder / "weights.safetensors",
            DataOptions(table.measured_on, self.test_path, body=data.body),
            self.machine,
            ProtocolOptions("3dhp"),
            meshes=False,
            out=out,
        ).run()
        measured: Mapping[str, Any] = json.loads(out.read_bytes())
        return measured

    def _splits(self, data: DataOptions) -> list[DataOptions]:
        """The data, or those of every fold."""
        if not self.folds:
            return [data]
        if data.validation:
            raise ValueError("folds holds out everybody in turn; leave held_out and fold away")
        count = len(CATALOGUE[data.data].folds)
        if not count:
            raise ValueError(f"{data.data} has no folds; say whom to hold out with held_out")
        return [replace(data, fold=number) for number in range(count)]

    def _folder(self, data: DataOptions) -> Path:
        validation = data.validation
        return self.out / f"held-out-{'-'.join(validation)}" if validation else self.out

    def _runs(self, entry: Entry, data: DataOptions) -> list[Run]:
        return [
            Run(
                self._folder(data) / entry.folder / f"seed{seed}",
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
            augmentation=replace(self.training.augmentation, **entry.augmentation),
        )
