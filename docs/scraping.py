"""Which pictures of the gallery's scripts stand on their pages."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from sphinx_gallery.scrapers import matplotlib_scraper

_SHOWN: WeakSet[Any] = WeakSet()


def figures(block: Any, block_vars: dict[str, Any], gallery_conf: Any) -> str:
    """Those of pyplot, and those that a block named, as ``figure = plot_hierarchy(...)``."""
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    for value in block_vars["example_globals"].values():
        if isinstance(value, Figure) and value not in _SHOWN:
            plt.figure(value)
            _SHOWN.add(value)
    return matplotlib_scraper(block, block_vars, gallery_conf)
