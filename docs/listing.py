"""Which public names the reference lists, and which it has yet to: no Sphinx is needed to tell."""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

REFERENCE = Path(__file__).parent / "reference" / "index.md"
BASES = {
    "multiscale_gcn.ratings": "multiscale_gcn.ratings.rating.Rating",
    "multiscale_gcn.methods": "multiscale_gcn.methods.method.ClusteringMethod",
}
"""Folders of which the reference has every class that derives from a base."""


def listed(text: str) -> dict[str, set[str]]:
    """The names under each module of the page, as they stand there."""
    names: dict[str, set[str]] = {}
    for line in text.splitlines():
        if line.startswith(".. module:: "):
            current = names.setdefault(line.removeprefix(".. module:: "), set())
        elif entry := re.fullmatch(r"   ([\w.]+)", line):
            current.add(entry[1])
    return names


def public_names(module: str) -> list[str]:
    """What ``__all__`` lists; without it, what the module re-exports as ``X as X``."""
    imported = import_module(module)
    if hasattr(imported, "__all__"):
        return list(imported.__all__)
    return re.findall(r" (\w+) as \1\b", Path(str(imported.__file__)).read_text())


def unlisted(module: str, text: str) -> list[str]:
    """Whole names of what is public in a module or folder, and stands nowhere on the page."""
    there = [
        value_of(f"{heading}.{name}")
        for heading, names in listed(text).items()
        if heading in ("multiscale_gcn", module)
        for name in names
    ]
    candidates = _derived(module) if module in BASES else _exported(module)
    return [name for name, value in candidates if not any(value is known for known in there)]


def value_of(name: str) -> object:
    """What a whole name stands for."""
    module, _, member = name.rpartition(".")
    return getattr(import_module(module), member)


def _exported(module: str) -> Iterator[tuple[str, object]]:
    for name in public_names(module):
        yield f"{module}.{name}", value_of(f"{module}.{name}")


def _derived(folder: str) -> Iterator[tuple[str, object]]:
    """The classes of a folder's files; what stands in the file of the base is named by hand."""
    base = value_of(BASES[folder])
    home = BASES[folder].rpartition(".")[0]
    for found in pkgutil.iter_modules(import_module(folder).__path__, f"{folder}."):
        for name, value in vars(import_module(found.name)).items():
            if (
                inspect.isclass(value)
                and issubclass(value, base)
                and value.__module__ == found.name != home
                and not name.startswith("_")
            ):
                yield f"{found.name}.{name}", value
