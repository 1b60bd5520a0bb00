"""The data sets by name: those of the folder ``readers``, one file each.

The choices and the help of ``--data``, ``check-data`` and the table in the documentation are made
of it.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from examples.hgn_pose.datasets import readers
from examples.hgn_pose.datasets.data_set import DataSet


def _found() -> dict[str, DataSet]:
    """What needs no files comes first, then all by name."""
    modules = [
        import_module(f"{readers.__name__}.{m.name}") for m in iter_modules(readers.__path__)
    ]
    entries: list[DataSet] = [module.DATA_SET for module in modules]
    entries.sort(key=lambda entry: (entry.expected != "", entry.name))
    return {entry.name: entry for entry in entries}


CATALOGUE = _found()
