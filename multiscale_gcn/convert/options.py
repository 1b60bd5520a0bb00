"""What users say beside the source, checked before anything is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from multiscale_gcn.checks.arguments import flag, real_number, shown, whole_number

Kind = Literal["dense", "edge_index", "edge_list", "faces"]
Symmetrize = Literal["mirror", "max", "mean", "sum"]


@dataclass(frozen=True)
class Options:
    """The arguments of ``as_graph``; None and an empty string stand for what was not said."""

    kind: Kind | None
    weights: Any
    node_weights: Any
    num_nodes: int | None
    symmetrize: Symmetrize | None
    weld: float | None

    @classmethod
    def of(
        cls,
        kind: Any,
        weights: Any,
        node_weights: Any,
        num_nodes: Any,
        symmetrize: Any,
        weld: Any,
    ) -> Options:
        return cls(
            kind=_kind(kind),
            weights=weights,
            node_weights=node_weights,
            num_nodes=None if num_nodes is None else whole_number(num_nodes, "num_nodes", least=0),
            symmetrize=as_symmetrize(symmetrize),
            weld=None if weld is None else real_number(weld, "weld", least=0),
        )

    def refuse_all_but(self, *accepted: str, source: str, kind: Kind | None = None) -> None:
        """Refuse what was said and means nothing here, and any other kind than the given one."""
        if self.kind not in (None, kind):
            raise ValueError(
                f"kind = {self.kind!r} does not go with this kind of source, {source}; leave it out"
            )
        for name in ("weights", "num_nodes", "symmetrize", "weld"):
            if name == "weights" and "measures" in accepted and isinstance(self.weights, str):
                continue  # of a mesh, which knows their names
            if name not in accepted and getattr(self, name) is not None:
                raise ValueError(
                    f"{name} does not go with this kind of source, {source}; leave it out"
                )


def _kind(value: Any) -> Kind | None:
    if value is None or (isinstance(value, str) and value in get_args(Kind)):
        return value  # type: ignore[return-value]
    known = ", ".join(map(repr, get_args(Kind)))
    raise ValueError(f"kind = {shown(value)} is none of {known}")


def as_symmetrize(value: Any) -> Symmetrize | None:
    if isinstance(value, str) and value in get_args(Symmetrize):
        return value  # type: ignore[return-value]
    if isinstance(value, bool | np.bool_):
        return "mirror" if flag(value, "symmetrize") else None
    known = ", ".join(map(repr, get_args(Symmetrize)))
    raise ValueError(f"symmetrize = {shown(value)} must be True, False or one of {known}")
