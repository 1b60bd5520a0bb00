"""What people call their nodes: texts, numbers, and tuples of these."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from multiscale_gcn.checks.arguments import items, shown

Name = str | int | tuple[Any, ...]
"""A text, a whole number, or a tuple of these, as networkx numbers the nodes of grids."""


def checked_names(names: Iterable[Any], n: int) -> tuple[Name, ...]:
    """The names of ``n`` nodes.

    Raises
    ------
    ValueError
        Unless there is one for each node, and all differ.
    TypeError
        For a name that is none.
    """
    told = tuple(islice(items(names, "names"), n + 1))
    if len(told) != n:
        number = len(told) if len(told) < n else f"more than {n}"
        raise ValueError(f"names has {number} entries, expected {n}, one for each node")
    seen: dict[Name, int] = {}
    for node, name in enumerate(told):
        if not is_name(name):
            raise TypeError(
                f"names[{node}] = {shown(name)} must be a text, a whole number or a tuple of these"
            )
        if seen.setdefault(name, node) != node:
            raise ValueError(
                f"names[{node}] = {shown(name)} is the name of node {seen[name]} too; names differ"
            )
    return told


def is_name(name: Any) -> bool:
    """Whether it is one, and can be written to a file and read again as it was."""
    if type(name) is tuple:
        return all(is_name(part) for part in name)
    return type(name) in (str, int)


def telling_names(names: Iterable[Any]) -> tuple[Name, ...] | None:
    """The names of a source, where they are names at all and say more than the order does."""
    told = tuple(names)
    if all(name == node and type(name) is int for node, name in enumerate(told)):
        return None
    return told if all(map(is_name, told)) else None


def as_json(name: Name) -> Any:
    """Texts and numbers as they are, tuples as lists."""
    return [as_json(part) for part in name] if isinstance(name, tuple) else name


def from_json(value: Any) -> Any:
    """What :func:`as_json` was given."""
    return tuple(from_json(part) for part in value) if isinstance(value, list) else value
