"""Who imports whom in a package: read from its text, so that nothing hides in a function."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path


def modules(root: Path, package: str) -> dict[str, Path]:
    """All modules of a package, by their whole names."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join([package, *(parts[:-1] if parts[-1] == "__init__" else parts)])] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> Iterator[tuple[int, str]]:
    """Line and name of every module of the package that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError(f"{path}:{node.lineno} imports relatively; name the whole path")
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [
                inner if (inner := f"{node.module}.{alias.name}") in known else node.module
                for alias in node.names
            ]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name in known)


def room(module: str, package: str) -> str:
    """What stands at the root of the package: a folder or a file; "" for the package itself."""
    return module.removeprefix(package).removeprefix(".").split(".")[0]


def against_the_flow(root: Path, package: str, flow: tuple[str, ...]) -> list[str]:
    """Imports of what stands later in the flow, each with its place.

    The package's own face, and what is not in the flow, may import everything, and nothing imports
    them.
    """
    known = modules(root, package)
    place = {name: number for number, name in enumerate(flow)}
    faults = []
    for name, path in known.items():
        here = place.get(room(name, package), len(flow))
        for line, target in imported(path, known):
            if place.get(room(target, package), len(flow)) > here:
                faults.append(f"{path.relative_to(root)}:{line} imports {target}")
    return faults


def circle(root: Path, package: str) -> list[str]:
    """Modules that import each other in a loop; none, if there is no loop."""
    known = modules(root, package)
    graph = {
        name: {target for _, target in imported(path, known)} - {name}
        for name, path in known.items()
        if name != package
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []
