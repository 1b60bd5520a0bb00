"""The networks by name: those of the folder ``architectures``, one file each.

The choices and the help of ``--network`` and the table in the documentation are made of it.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from examples.hgn_pose.network import architectures
from examples.hgn_pose.network.architecture import Architecture


def _found() -> dict[str, Architecture]:
    """HGN comes first, then all by name."""
    modules = [
        import_module(f"{architectures.__name__}.{m.name}")
        for m in iter_modules(architectures.__path__)
    ]
    entries: list[Architecture] = [module.ARCHITECTURE for module in modules]
    entries.sort(key=lambda entry: (entry.name != "hgn", entry.name))
    return {entry.name: entry for entry in entries}


ARCHITECTURES = _found()
