"""Tickets by type in forms: what is asked for, and at which row a refusal is told."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from webapp.errors import ChooseTicketType, InvalidInput, Problem
from webapp.web.fields import MAX_TICKETS, Digits
from webapp.web.schemas import Input, from_form

# Where a refusal is told that is about no single type.
ALL_ROWS = "items"
_number_of = re.compile(r"type-([1-9][0-9]{0,8})").fullmatch


class Row(Input):
    """The field of one type; empty means none of it."""

    tickets: Annotated[int, Field(ge=0, le=MAX_TICKETS), Digits] = 0


def field_of(number: int) -> str:
    """The name of the field that says how many tickets of a type are wanted."""
    return f"type-{number}"


def has_rows(form: Mapping[str, str]) -> bool:
    """Whether a form asks for tickets by type."""
    return any(_number_of(name) for name in form)


def rows_of_form(form: Mapping[str, str]) -> dict[int, int]:
    """What a form says of each type that it has a row for, none as well: `{type: tickets}`.

    Raises `InvalidInput` for the rows that hold no number.
    """
    found, problems = {}, {}
    for name, text in form.items():
        if match := _number_of(name):
            try:
                found[int(match[1])] = from_form(
                    Row, {"tickets": text} if text.strip() else {}
                ).tickets
            except InvalidInput as error:
                problems[name] = error.problems["tickets"]
    if problems:
        raise InvalidInput(problems)
    return found


def wanted_from_form(form: Mapping[str, str]) -> dict[int, int]:
    """The tickets that a form asks for by type: `{type: tickets}`, each at least one.

    It is empty for a form that has no rows of types. Raises `InvalidInput` for the rows that hold
    no number, `ChooseTicketType` where all of them are empty.
    """
    found = rows_of_form(form)
    wanted = {number: tickets for number, tickets in found.items() if tickets}
    if found and not wanted:
        raise ChooseTicketType
    return wanted


def counted(values: Mapping[str, str], number: int, *, most: int) -> int:
    """How many tickets of a type a form asks for so far, within what its row allows."""
    try:
        return min(rows_of_form({field_of(number): values.get(field_of(number), "")})[number], most)
    except InvalidInput:
        return 0


def told_by_row(error: InvalidInput, names: Mapping[int, str]) -> InvalidInput:
    """The same refusal, told at the row of the type that it is about; `names` are `{type: name}`.

    What is about no single type, or too many tickets in all, is told at `items`.
    """
    problems: dict[str, Problem] = {}
    for field, problem in error.problems.items():
        about = problem.parameters.get("type")
        if field not in (ALL_ROWS, "tickets"):
            problems[field] = problem
            continue
        row = next((number for number, name in names.items() if name == about), None)
        if row is None and isinstance(about, str) and _number_of(f"type-{about}"):
            row = int(about)
        problems[ALL_ROWS if row is None else field_of(row)] = problem
    return InvalidInput(problems)
