"""Libraries that not everybody has, imported when something needs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def library(name: str, what: str, extra: str) -> Any:
    """A module of an optional library.

    Parameters
    ----------
    name : str
        Of the module.
    what : str
        Needs it: the beginning of a sentence.
    extra : str
        Of this package, which brings it.

    Raises
    ------
    ImportError
        In one line, with the one that installs it.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing != name.split(".")[0]:
            raise  # it is installed, and lacks something itself
        raise ModuleNotFoundError(
            f"{what} needs {missing}: pip install 'multiscale-gcn[{extra}]'", name=missing
        ) from None
