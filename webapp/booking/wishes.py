"""Of which types the tickets are that somebody asks for, and why they cannot be asked for.

Whether they are left is another matter: that is decided by who else waits.
"""

from collections.abc import Collection
from dataclasses import dataclass

from webapp.booking.commands import (
    Actor,
    BookTickets,
    ChangeTickets,
    Claim,
    Reason,
    Refusal,
    TakeFree,
)
from webapp.booking.inventory import Inventory
from webapp.booking.ticket_types import (
    MAX_TYPES_WANTED,
    CodeFigures,
    TypeFigures,
    Types,
    Wants,
    refuse_code,
    refuse_count,
    refuse_with_code,
    text_of,
    wants_of,
)


@dataclass(slots=True)
class Access:
    """Which types somebody may have: by a code, as the organizer, past the doors of sale."""

    code: CodeFigures | None = None
    is_organizer: bool = False
    past_sale: bool = False

    def sees(self, kind: TypeFigures) -> bool:
        by_code = self.code is not None and self.code.unlocks_type(kind.number)
        return not kind.hidden or self.is_organizer or by_code

    def may_have(self, kind: TypeFigures) -> bool:
        return self.sees(kind) and (kind.is_on_sale or self.past_sale)


def access_of(
    inventory: Inventory, who: Actor, code: CodeFigures | None, *, past_sale: bool = False
) -> Access:
    """What somebody may have of an event's types."""
    passes = past_sale and inventory.may_pass(who)
    return Access(code, is_organizer=who.is_organizer, past_sale=passes)


def wanted(
    command: BookTickets, inventory: Inventory, code: CodeFigures | None, who: Actor
) -> str | Refusal:
    """The types of the tickets that a newcomer asks for; `code` is the one that they named."""
    types = inventory.types
    if not types:
        if command.code:
            return Refusal(Reason.UNKNOWN_CODE)
        return Refusal(Reason.NO_TYPES) if command.wants else ""
    # First of all: what else is told must not differ with a code that is over or used up.
    if command.code and not (code and code.is_usable):
        return Refusal(Reason.UNKNOWN_CODE)
    access = access_of(inventory, who, code, past_sale=command.past_sale)
    wants = wants_of(command.wants)
    if not wants:
        only = only_choice(types, access)
        if only is None:
            return Refusal(Reason.CHOOSE_TICKET_TYPE)
        wants = {only: command.tickets}
    if command.code and (refusal := refuse_code(code, wants)):
        return refusal
    return _refuse_types(types, wants, access) or command.wants or text_of(wants)


def only_choice(types: Types, access: Access) -> int | None:
    """The one type that somebody can have; `None` if there is none or a choice."""
    found = [kind.number for kind in types.values() if access.may_have(kind)]
    return found[0] if len(found) == 1 else None


def changed(claim: Claim, command: ChangeTickets | TakeFree, inventory: Inventory) -> str | Refusal:
    """The types of the tickets that a booking is to have from now on.

    Nobody gets more of one for less of another: that would be two steps.
    """
    types, before, after = inventory.types, wants_of(claim.wants), wants_of(command.wants)
    if not types:
        return Refusal(Reason.NO_TYPES) if after else ""
    if not after:
        if len(before) > 1:
            return Refusal(Reason.CHOOSE_TICKET_TYPE)
        after = dict.fromkeys(before, command.tickets)
    is_more = command.tickets > claim.tickets
    for number in sorted(before.keys() | after.keys()):
        was, becomes = before.get(number, 0), after.get(number, 0)
        if was != becomes and (becomes > was) is not is_more:
            return Refusal(Reason.MIXED_CHANGE)
        if 0 < becomes < was and becomes < types[number].min_tickets:
            return refuse_count(types[number], becomes) or Refusal(Reason.MIXED_CHANGE)
    return text_of(after)


def refuse_more(
    claim: Claim,
    command: ChangeTickets,
    wants: str,
    inventory: Inventory,
    code: CodeFigures | None,
    who: Actor,
) -> Refusal | None:
    """Why a booking cannot want more; `code` is the one that it was made with."""
    before, after = wants_of(claim.wants), wants_of(wants)
    more = {number: after[number] for number in after if after[number] != before.get(number)}
    access = access_of(inventory, who, code, past_sale=command.past_sale)
    if refusal := _refuse_types(inventory.types, more, access, besides=before):
        return refusal
    if code is None:
        return None
    if not code.is_valid:
        return Refusal(Reason.UNKNOWN_CODE)
    return refuse_with_code(code, command.tickets, more=command.tickets - claim.tickets)


def difference(wants: str, before: str) -> str:
    """What is wanted more than before."""
    had = wants_of(before)
    more = {number: tickets - had.get(number, 0) for number, tickets in wants_of(wants).items()}
    return text_of({number: tickets for number, tickets in more.items() if tickets})


def _refuse_types(
    types: Types, wants: Wants, access: Access, *, besides: Collection[int] = ()
) -> Refusal | None:
    """Why somebody cannot ask for these tickets; a hidden type is told like one that is not there.

    `besides` are the types that they have.
    """
    if len({*wants, *besides}) > MAX_TYPES_WANTED:
        return Refusal(Reason.TOO_MANY_TYPES, MAX_TYPES_WANTED)
    for number, tickets in wants.items():
        kind = types.get(number)
        if kind is None or not access.may_have(kind):
            name = kind.name if kind and access.sees(kind) else str(number)
            return Refusal(Reason.TYPE_NOT_ON_SALE, ticket_type=name)
        if refusal := refuse_count(kind, tickets):
            return refusal
    return None
