"""What the campaigns tried, counted; ``make campaign`` prints it."""

from collections import Counter

TRIED: Counter[str] = Counter()


def tried(what: str, times: int = 1) -> None:
    TRIED[what] += times
