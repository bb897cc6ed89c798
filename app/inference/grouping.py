"""Which parts of a net share a thread."""

from collections.abc import Sequence


def grouped(costs: Sequence[float], most: int) -> list[slice]:
    """Neighbours together, in at most so many groups that take about as long as one another.

    Args:
        costs: what each part takes, in any unit.
        most: groups, at least one.
    """
    share = max(sum(costs) / most, *costs)
    starts, filled = [0], 0.0
    for index, cost in enumerate(costs):
        if filled and filled + cost / 2 > share and len(starts) < most:
            starts.append(index)
            filled = 0.0
        filled += cost
    return [slice(start, end) for start, end in zip(starts, [*starts[1:], len(costs)], strict=True)]
