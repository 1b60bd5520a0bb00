"""A bar for hierarchies that take a while."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from multiscale_gcn.checks.libraries import library
from multiscale_gcn.coarsening.descent import Stage

PATIENCE = 1.0
"""Seconds; what is done earlier shows no bar."""


@contextmanager
def progress_bar(shown: bool, nodes: int, goal: int) -> Iterator[Callable[[Stage], None]]:
    """What is to be called with each new level. The bar goes from ``nodes`` to ``goal``, by ratios.

    Raises
    ------
    ImportError
        Without tqdm, if a bar is to be shown, with the line that installs it.
    """
    if not shown:
        yield lambda stage: None
        return
    way = math.log(max(nodes, 1) / max(goal, 1))
    bar = library("tqdm.auto", "progress=True", "cli").tqdm(
        total=100,
        desc="coarsening (compiled first, once for an installation)",
        bar_format="{desc}: {percentage:3.0f}% |{bar}| {elapsed}{postfix}",
        delay=PATIENCE,
    )

    def tell(stage: Stage) -> None:
        left = int(stage.member_sizes.sum())
        done = 100 if way <= 0 else 100 * (1 - math.log(max(left, 1) / max(goal, 1)) / way)
        bar.set_description("coarsening", refresh=False)
        bar.set_postfix_str(f"{left:,} nodes", refresh=False)
        bar.update(round(min(done, 100)) - bar.n)

    with bar:
        yield tell
