"""An event's bookings over time as columns of a picture; the template draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from webapp.events.sales import Day

MOST_COLUMNS = 42
# The first days of an event are not drawn as one broad block.
LEAST_COLUMNS = 14
# One or two days are no line that could be seen.
LEAST_DAYS = 3


@dataclass(frozen=True, slots=True)
class Column:
    """What came in from `first` to `last`, both included."""

    first: date
    last: date
    confirmed: int
    waiting: int
    cancelled: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Columns from left to right; `top` and `bottom` are the largest numbers up and down."""

    columns: Sequence[Column]

    @property
    def places(self) -> int:
        return max(len(self.columns), LEAST_COLUMNS)

    @property
    def first(self) -> date:
        return self.columns[0].first

    @property
    def last(self) -> date:
        return self.columns[-1].last

    @property
    def top(self) -> int:
        return max(column.confirmed + column.waiting for column in self.columns)

    @property
    def bottom(self) -> int:
        return max(column.cancelled for column in self.columns)

    @property
    def totals(self) -> tuple[int, int, int]:
        """Confirmed at once, put on the waiting list, cancelled."""
        return _sums(self.columns)


def chart_of(days: Sequence[Day]) -> Chart | None:
    """Days put together so that they fit; nothing where there is too little to see."""
    if sum(map(_has_something, days)) < LEAST_DAYS:
        return None
    width = -(-len(days) // MOST_COLUMNS)
    groups = [days[start : start + width] for start in range(0, len(days), width)]
    return Chart([Column(group[0].day, group[-1].day, *_sums(group)) for group in groups])


def _has_something(day: Day) -> bool:
    return bool(day.confirmed or day.waiting or day.cancelled)


def _sums(parts: Sequence[Day | Column]) -> tuple[int, int, int]:
    return (
        sum(part.confirmed for part in parts),
        sum(part.waiting for part in parts),
        sum(part.cancelled for part in parts),
    )
