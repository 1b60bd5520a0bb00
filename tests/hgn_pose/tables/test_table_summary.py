"""From metrics of runs to a table."""

import csv
import io

from examples.hgn_pose.network.building import NetworkOptions
from examples.hgn_pose.tables.summary import as_csv, as_markdown, line_of
from examples.hgn_pose.tables.table import Entry, Table

MESH = Entry("HGN", NetworkOptions(), paper={"mpjpe": 37.32, "parameters": 1.04})
PLAIN = Entry("MLP", NetworkOptions("mlp"))
TABLE = Table("t", "A table", ("mpjpe", "mpvpe_48"), (MESH, PLAIN))


def metrics(mpjpe, mpvpe):
    scores = {"mpjpe_mm": mpjpe, "pa_mpjpe_mm": mpjpe - 8, "mpvpe_mm": mpvpe}
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
