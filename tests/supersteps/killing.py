"""Ratings that kill the worker that first asks for them, or that no worker takes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np

from multiscale_gcn.ratings import NodeTerms, Rating


def killing(mark: Path) -> Rating:
    """The weight of an edge; whoever computes it first, beside this process, gets SIGKILL.

    The class stands in a function, so that workers are sent its text.
    """
    here = os.getpid()

    class Killing(Rating):
        def edge(self, weight: Any, u: Any, v: Any, terms: NodeTerms) -> Any:
            if os.getpid() != here and np.size(weight):
                try:
                    mark.touch(exist_ok=False)
                except FileExistsError:
                    return weight
                os.kill(os.getpid(), signal.SIGKILL)
            return weight

    return Killing()


def boundless() -> Rating:
    """A rating that is not finite. The class stands in a function for the same reason."""

    class Boundless(Rating):
        def edge(self, weight: Any, u: Any, v: Any, terms: NodeTerms) -> Any:
            return weight * np.inf

    return Boundless()
