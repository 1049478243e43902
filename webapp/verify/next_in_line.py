"""Who is next in a list, told once more as plainly as it can be: it shares nothing with the ledger.

Nobody gets what somebody ahead of them lacks.
"""

from collections.abc import Iterable, Mapping


def next_in_line(
    line: Iterable[tuple[int, Mapping[int, int]]], left: Mapping[int, int], room: int
) -> int | None:
    """The position that has to get its tickets now, if any.

    `line` are those who wait, in order, as `(position, {type: tickets})`, or the first of each who
    want the same. `left` are the tickets left of types that have a quota: `{type: tickets}`.
    """
    lacked: set[int] = set()
    for position, wants in line:
        lacks = {
            number
            for number, tickets in wants.items()
            if number in lacked or (number in left and left[number] < tickets)
        }
        if lacks:
            lacked |= lacks
        else:
            return position if sum(wants.values()) <= room else None
    return None
