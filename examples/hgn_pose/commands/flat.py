"""Options that stand among those of a command, without a prefix."""

from __future__ import annotations

import tyro

Flat = tyro.conf.arg(name="")
