"""What every form of non-local attention asks of its operands."""

from __future__ import annotations

from torch import Tensor

from multiscale_gcn.ops.operand_checks import check_features, check_operands


def check_attention(source: Tensor, target: Tensor, value: Tensor) -> None:
    check_operands(value=value, source=source, target=target)
    check_features(value, "value")
    for name, x in (("source", source), ("target", target)):
        if x.shape != value.shape[:2]:
            raise ValueError(
                f"{name} has shape {list(x.shape)}, expected {list(value.shape[:2])}: one number "
                "for each node of value"
            )
