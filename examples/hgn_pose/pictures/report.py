"""One HTML page that shows a run: its figures, its pictures, and what they do not say."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
:root { --ink: #24292f; --soft: #57606a; --line: #d8dee4; --accent: #1f5fbf; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f8fa; color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.25rem; margin: 0 0 .6rem; }
p { margin: .5rem 0; max-width: 46rem; }
.lead, figcaption, small { color: var(--soft); }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px;
  padding: 1.4rem 1.6rem; margin-top: 1.3rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1rem;
  margin-top: 1.5rem; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 10px;
  padding: .9rem 1.1rem; }
.card b { display: block; font-size: 1.7rem; line-height: 1.25; color: var(--accent); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums;
  margin: .6rem 0; }
th, td { padding: .32rem .8rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th { font-weight: 600; color: var(--soft); }
td.best { font-weight: 700; color: var(--accent); }
table.facts td { text-align: left; vertical-align: top; }
table.facts td:first-child { white-space: nowrap; }
figure { margin: .8rem 0 0; }
figure img { width: 100%; height: auto; display: block; }
pre { font-size: .82rem; line-height: 1.45; background: #f6f8fa; border-radius: 6px;
  padding: .8rem 1rem; overflow-x: auto; }
code { font-size: .86em; overflow-wrap: anywhere; }
"""


def render(metrics: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The report of one demo run.

    Parameters
    ----------
    metrics : mapping
        What the demo writes to ``metrics.json``.
    pictures : mapping of str to bytes
        PNG files: ``graphs``, ``training``, ``predictions``, ``joints`` and ``actions``.

    Returns
    -------
    str
        A whole HTML document that needs no other file and no network.
    """
    body = "".join(
        [
            _headline(metrics),
            _results(metrics, pictures),
            _graphs(metrics, pictures),
            _section("Training", _training_text(metrics), pictures["training"], "Loss and error"),
            _section(
                "Predictions",
                "<p>Samples of unseen clips at the 10th, 40th, 70th and 95th percentile of HGN's "
                "error, so neither the best nor the worst. The side view shows the depth that the "
                "input lacks.</p>",
                pictures["predictions"],
                "Predicted and true poses and coarse meshes",
            ),
            _errors(metrics, pictures),
            _setup(metrics),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<title>HGN on coarsened body graphs</title>"
        f"<style>{_STYLE}</style></head>\n<body><main>{body}</main></body></html>\n"
    )


def _headline(metrics: Mapping[str, Any]) -> str:
    models = metrics["models"]
    hgn = models["HGN"]["mpjpe_mm"]
    cards = [
        (f"{hgn:.1f} mm", "HGN's mean joint error (MPJPE) on unseen clips"),
        (f"{models['linear map']['mpjpe_mm']:.1f} mm", "the best linear map's"),
        (f"{models['mean pose']['mpjpe_mm']:.1f} mm", "the mean pose's"),
        (_duration(metrics["seconds"]), "for everything on this page"),
    ]
    boxes = "".join(f'<div class="card"><b>{big}</b>{escape(text)}</div>' for big, text in cards)
    sizes = metrics["hierarchy"]["nodes"]
    return (
        "<h1>3D poses and coarse body meshes from 2D joints</h1>"
        f'<p class="lead">A body mesh of {sizes[0]:,} vertices was coarsened to 96 and 48 nodes '
        "by heavy edge matching. HGN, a graph network on the skeleton and both coarse graphs, was "
        "trained to lift 2D joints to 3D, and measured on clips that it had not seen.</p>"
        f'<div class="cards">{boxes}</div>'
    )


def _results(metrics: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    models: Mapping[str, Any] = metrics["models"]
    sizes = sorted({size for m in models.values() for size in m["mpvpe_mm"]}, key=int)
    columns = {
        "MPJPE": {name: m["mpjpe_mm"] for name, m in models.items()},
        "PA-MPJPE": {name: m["pa_mpjpe_mm"] for name, m in models.items()},
    } | {
        f"MPVPE, {size} nodes": {name: m["mpvpe_mm"].get(size) for name, m in models.items()}
        for size in sizes
    }
    best = {
        column: min(value for value in values.values() if value is not None)
        for column, values in columns.items()
    }
    rows = [
        [
            _cell(escape(name)),
            _cell(f"{m['parameters']:,}"),
            *(_number(values[name], best[column]) for column, values in columns.items()),
            _cell(_duration(m["seconds"])),
        ]
        for name, m in models.items()
    ]
    split = metrics["split"]
    return (
        "<section><h2>Results on unseen clips, in millimetres</h2>"
        + _table(["model", "parameters", *columns, "trained in"], rows)
        + f"<p>{_verdict(models)}</p>"
        "<p><small>MPJPE: mean distance of the joints from their true places, the pelvis "
        "subtracted. PA-MPJPE: the same after the best rotation, scale and shift of every pose. "
        "MPVPE: mean distance of the vertices of a coarse mesh. "
        f"{split['test_frames']:,} frames of {len(split['test_clips'])} held-out clips, each seen "
        f"by {split['cameras']} cameras; the input is {escape(split['input'])}.</small></p>"
        "</section>"
    )


def _verdict(models: Mapping[str, Any]) -> str:
    ranked = sorted(models, key=lambda name: models[name]["mpjpe_mm"])
    first, second = ranked[:2]
    gap = models[second]["mpjpe_mm"] - models[first]["mpjpe_mm"]
    text = (
        f"Lowest error here: <b>{escape(first)}</b>, {gap:.1f} mm ahead of {escape(second)}. "
        "This is one short run with one seed on little data: gaps of a few millimetres between "
        "the networks say nothing about which of them is better in general. All networks saw "
        "the same number of samples, which takes HGN "
        f"{models['HGN']['seconds'] / max(models['MLP (SimpleBaseline)']['seconds'], 0.1):.0f} "
        "times as long as the MLP."
    )
    if first != "HGN":
        text += (
            f" HGN has {models['HGN']['parameters'] / models[first]['parameters']:.2f} times the "
            f"parameters of {escape(first)}"
            + ("." if models[first]["mpvpe_mm"] else ", and also predicts the coarse meshes.")
        )
    return text


def _graphs(metrics: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    hierarchy = metrics["hierarchy"]
    text = (
        f"<pre>{escape(hierarchy['table'])}</pre>"
        f"<p><small>Fingerprint <code>{escape(hierarchy['fingerprint'])}</code>: the same on every "
        "machine; the weights are refused on any other graphs.</small></p>"
    )
    return _section(
        "The body and its coarse graphs", text, pictures["graphs"], "The body and its clusters"
    )


def _training_text(metrics: Mapping[str, Any]) -> str:
    options = metrics["training"]["HGN"]
    rates = ", ".join(
        f"{chosen['learning_rate']:g} ({escape(name)})"
        for name, chosen in metrics["training"].items()
    )
    return (
        f"<p>{options['epochs']} epochs of Adam for every network, batches of "
        f"{options['batch_size']}, gradient norm at most {options['clip_norm']:g}. First learning "
        f"rates: {rates}, with a {escape(options['schedule'])} schedule. HGN's loss is the squared "
        f"distance, a {escape(options['loss_reduction'])} over the nodes: "
        f"{options['lambda_pose']:g} times the pose's plus {options['lambda_mesh']:g} times both "
        "meshes'. The test error is "
        "only watched: no epoch is chosen by it, and the weights are those after the last.</p>"
    )


def _errors(metrics: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    models: Mapping[str, Any] = metrics["models"]
    actions = list(next(iter(models.values()))["per_action"])
    rows = []
    for action in actions:
        values = {name: m["per_action"][action]["mpjpe_mm"] for name, m in models.items()}
        least = min(values.values())
        rows.append([_cell(escape(action)), *(_number(v, least) for v in values.values())])
    means = {name: m["mean_over_actions"]["mpjpe_mm"] for name, m in models.items()}
    least = min(means.values())
    rows.append([_cell("<b>mean of the actions</b>"), *(_number(v, least) for v in means.values())])
    return (
        "<section><h2>Errors by action and by joint</h2>"
        + _table(["MPJPE, mm", *(escape(name) for name in models)], rows)
        + _figure(pictures["actions"], "Error of every model for each unseen action")
        + _figure(pictures["joints"], "Error of every model for each joint")
        + "</section>"
    )


def _setup(metrics: Mapping[str, Any]) -> str:
    split = metrics["split"]
    facts = {
        "Training clips": f"{', '.join(split['train_clips'])} ({split['train_frames']:,} frames)",
        "Test clips": f"{', '.join(split['test_clips'])} ({split['test_frames']:,} frames)",
        "Random seed": str(metrics["seed"]),
        **metrics["machine"],
    }
    rows = [[_cell(f"<b>{escape(k)}</b>"), _cell(escape(str(v)))] for k, v in facts.items()]
    notes = "".join(f"<p>{escape(note)}</p>" for note in metrics["notes"])
    return (
        "<section><h2>Data, machine, and what to keep in mind</h2>"
        + notes
        + _table([], rows, "facts")
        + "</section>"
    )


def _section(title: str, text: str, picture: bytes, caption: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{text}{_figure(picture, caption)}</section>"


def _figure(picture: bytes, caption: str) -> str:
    data = base64.b64encode(picture).decode()
    return f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}"></figure>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    top = "<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>" if head else ""
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<div class="scroll"><table class="{kind}">{top}{body}</table></div>'


def _cell(text: str) -> str:
    return f"<td>{text}</td>"


def _number(value: float | None, best: float) -> str:
    if value is None:
        return "<td>-</td>"
    return f'<td class="best">{value:.1f}</td>' if value == best else f"<td>{value:.1f}</td>"


def _duration(seconds: float) -> str:
    """Words for a time.

    Examples
    --------
    >>> _duration(0.2), _duration(42.4), _duration(150)
    ('under 1 s', '42 s', '2 min 30 s')
    """
    if seconds < 1:
        return "under 1 s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
