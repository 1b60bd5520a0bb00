"""The command line: ``python -m multiscale_gcn --help``."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

from multiscale_gcn.checks.libraries import library

DESCRIPTION = """Coarsen graphs and meshes exactly and reproducibly."""


def command_line() -> Any:
    """The type of all commands."""
    tyro = library("tyro", "the command line", "cli")
    from multiscale_gcn.commands.coarsen import Coarsen
    from multiscale_gcn.commands.compare import Compare
    from multiscale_gcn.commands.convert import Convert
    from multiscale_gcn.commands.info import Info

    return (
        Annotated[Info, tyro.conf.subcommand("info")]
        | Annotated[Coarsen, tyro.conf.subcommand("coarsen")]
        | Annotated[Compare, tyro.conf.subcommand("compare")]
        | Annotated[Convert, tyro.conf.subcommand("convert")]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; bad input ends the process with a message and the status 2."""
    warnings.showwarning = _show_warning
    try:
        root = command_line()
        import tyro

        from multiscale_gcn.coarsening import CoarseningStalled
    except ImportError as error:
        _end(error)
    try:
        tyro.cli(root, args=arguments, prog="multiscale-gcn", description=DESCRIPTION).run()
    except (ValueError, TypeError, OSError, ImportError, CoarseningStalled) as error:
        _end(error)
    except RuntimeError as error:  # a backend that cannot run here
        _end(error)
    except KeyboardInterrupt:
        sys.exit("interrupted")


def _end(error: Exception) -> Any:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)


def _show_warning(message: Warning | str, *where: Any, **more: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    main()
