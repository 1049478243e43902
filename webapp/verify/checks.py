"""Rules as queries: how a rule is held against rows, and what is said of it when it is broken."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Select, or_, select

# Rows named for a broken rule; all are counted.
EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Rule:
    """`broken` is true for a row that breaks the rule; `shows` are the labels that explain it."""

    name: str
    says: str
    broken: ColumnElement[bool]
    shows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """Rules that are held against the same rows; `labels` are the columns that name a row."""

    rows: FromClause
    labels: Mapping[str, ColumnElement[Any]]
    rules: tuple[Rule, ...]


def single_rule(
    name: str,
    says: str,
    broken: ColumnElement[bool],
    rows: FromClause,
    labels: Mapping[str, ColumnElement[Any]],
) -> Check:
    """A check with one rule, which shows all that its rows are named by."""
    return Check(rows, labels, (Rule(name, says, broken, tuple(labels)),))


@dataclass(slots=True)
class Broken:
    """A rule that does not hold: how many rows break it, and some of them by name."""

    rule: str
    says: str
    count: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def note(self, row: dict[str, Any]) -> None:
        """Count a row, and name it while there is room."""
        self.count += 1
        if len(self.rows) < EXAMPLES:
            self.rows.append({k: int(v) if isinstance(v, Decimal) else v for k, v in row.items()})

    def __str__(self) -> str:
        named = "; ".join(
            ", ".join(f"{label} {value}" for label, value in row.items()) for row in self.rows
        )
        more = f"; and {self.count - len(self.rows)} more" if self.count > len(self.rows) else ""
        return f"{self.rule} ({self.says}): {named}{more}"


class Findings(dict[str, Broken]):
    """What was found broken so far, by rule, where more than a query has to look for it."""

    @classmethod
    def of(cls, rules: Mapping[str, str]) -> "Findings":
        """Nothing found yet of rules that are given with what they say."""
        return cls({rule: Broken(rule, says) for rule, says in rules.items()})

    def note(self, rule: str, **row: Any) -> None:
        self[rule].note(row)

    def broken(self) -> list[Broken]:
        """The rules that do not hold."""
        return [broken for broken in self.values() if broken.count]


def broken_rules(connection: Connection, check: Check) -> list[Broken]:
    """The rules of a check that do not hold, found in one pass over its rows."""
    query = (
        select(
            *(column.label(label) for label, column in check.labels.items()),
            *(rule.broken.label(rule.name) for rule in check.rules),
        )
        .select_from(check.rows)
        .where(or_(*(rule.broken for rule in check.rules)))
    )
    found = {rule.name: Broken(rule.name, rule.says) for rule in check.rules}
    for row in stream(connection, query):
        values = row._mapping
        for rule in check.rules:
            if values[rule.name]:
                found[rule.name].note({label: values[label] for label in rule.shows})
    return [broken for broken in found.values() if broken.count]


def stream(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    """Rows as they are found, however many, without holding them all."""
    with connection.execution_options(yield_per=1000).execute(query) as result:
        yield from result
