"""From metrics of runs to a table."""

import csv
import io
from dataclasses import fields

from examples.hgn_pose.measuring.scores import Scores, Summary
from examples.hgn_pose.network.building import NetworkOptions
from examples.hgn_pose.tables.summary import as_csv, as_markdown, line_of
from examples.hgn_pose.tables.table import Entry, Table

MESH = Entry("HGN", NetworkOptions(), paper={"mpjpe": 37.32, "parameters": 1.04})
PLAIN = Entry("MLP", NetworkOptions("mlp"))
TABLE = Table("t", "A table", ("mpjpe", "mpvpe_48"), (MESH, PLAIN))


NAMES = [field.name for field in fields(Summary) if field.name != "samples"]


def metrics(mpjpe, mpvpe):
    figures = {name: mpjpe + place for place, name in enumerate(NAMES)}
    summary = Summary(10, **figures)
    scores = Scores(
        10,
        **figures,
        mpvpe=mpvpe,
        per_joint={},
        per_action={"Eat": summary},
        per_subject={"TS3": summary, "TS5": summary},
    ).as_json()
    return {"parameters": 1045989, "scores": scores}


LINES = [
    line_of(MESH, [metrics(40.0, {"48": 66.0}), metrics(42.0, {"48": 68.0})]),
    line_of(PLAIN, [metrics(39.96, {})]),
]


def test_markdown_has_means_spreads_and_the_paper():
    head, _, hgn, mlp = as_markdown(TABLE, LINES).splitlines()
    assert head.count("paper") == 3
    cells = [cell.strip() for cell in hgn.strip("|").split("|")]
    assert cells == ["HGN", "128", "1,045,989", "1.04 M", "41.0 ± 1.4", "37.32", "67.0 ± 1.4", "-"]
    cells = [cell.strip() for cell in mlp.strip("|").split("|")]
    assert cells == ["MLP", "128", "1,045,989", "-", "40.0", "-", "-", "-"]


def test_without_printed_figures_there_is_no_column_for_them():
    assert "paper" not in as_markdown(TABLE, LINES[1:])


def test_csv_has_every_seed():
    rows = list(csv.DictReader(io.StringIO(as_csv(TABLE, LINES, (3, 5)))))
    found = {(r["network"], r["figure"], r["seed"]): float(r["value"]) for r in rows}
    assert found == {
        ("HGN", "mpjpe", "paper"): 37.32,
        ("HGN", "mpjpe", "3"): 40.0,
        ("HGN", "mpjpe", "5"): 42.0,
        ("HGN", "mpvpe_48", "3"): 66.0,
        ("HGN", "mpvpe_48", "5"): 68.0,
        ("MLP", "mpjpe", "3"): 39.96,
    }


AMONG = Table(
    "a",
    "Among others",
    ("mpjpe:Eat", "mpjpe:mean", "pck:studio", "pck:outdoor", "pck", "auc"),
    (Entry("HGN", NetworkOptions(), paper={"mpjpe:Eat": 47.7}),),
    others={"Zhao et al.": {"mpjpe:Eat": 51.8, "pck": 80.0}},
)


def test_what_others_reached_stands_above_ours():
    line = line_of(AMONG.entries[0], [metrics(40.0, {}), metrics(42.0, {})])
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in as_markdown(AMONG, [line]).splitlines()
    ]
    assert rows[0] == ["network", "Eat", "mean", "studio", "outdoor", "PCK, all", "AUC, all"]
    assert rows[2:4] == [
        ["Zhao et al.", "51.8", "-", "-", "-", "80.0", "-"],
        ["HGN, paper", "47.7", "-", "-", "-", "-", "-"],
    ]
    mean, pck, auc = "41.0 ± 1.4", "44.0 ± 1.4", "45.0 ± 1.4"
    assert rows[4] == ["HGN, here", mean, mean, pck, pck, pck, auc]
    sheet = list(csv.DictReader(io.StringIO(as_csv(AMONG, [line], (0, 1)))))
    assert {(r["network"], r["figure"]): r["value"] for r in sheet if r["seed"] == "paper"} == {
        ("Zhao et al.", "mpjpe:Eat"): "51.8",
        ("Zhao et al.", "pck"): "80.0",
        ("HGN", "mpjpe:Eat"): "47.7",
    }
