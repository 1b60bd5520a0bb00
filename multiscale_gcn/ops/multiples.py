"""Sizes that kernels pad to a multiple."""


def up_to(number: int, unit: int) -> int:
    """The least multiple of the unit that is not less than the number."""
    return -(-number // unit) * unit
