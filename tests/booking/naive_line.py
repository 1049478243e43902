"""The waiting list of an event with ticket types, told the slow way: everybody is looked at.

A second writing of the rule, for the ledger to be held against. There are no queues here, nothing
is kept from one look to the next, and every figure is counted anew.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

Told = tuple[object, ...]


@dataclass
class Party:
    who: str
    wants: dict[int, int]
    status: str
    code: str | None = None

    @property
    def tickets(self) -> int:
        return sum(self.wants.values())

    @property
    def is_active(self) -> bool:
        return self.status in ("confirmed", "waiting")


def refused(reason: str) -> Told:
    return "refused", reason


@dataclass
class Hall:
    """An event; the party at position p is `parties[p - 1]`. `quotas` are `{type: quota}`.

    `made_room` says whom each cancel moved up: `{position: positions}`.
    """

    capacity: int
    quotas: dict[int, int | None]
    most: int = 10
    code_limits: dict[str, int] = field(default_factory=dict)
    on_sale: frozenset[int] = frozenset()
    parties: list[Party] = field(default_factory=list)
    is_open: bool = True
    promotes: bool = True
    may_cancel: bool = True
    waiting_limit: int | None = None
    moved_up: set[int] = field(default_factory=set)
    first_over: int | None = None
    made_room: dict[int, list[int]] = field(default_factory=dict)

    def numbered(self, status: str) -> Iterator[tuple[int, Party]]:
        for position, party in enumerate(self.parties, start=1):
            if party.status == status:
                yield position, party

    def taken(self) -> int:
        return sum(party.tickets for _, party in self.numbered("confirmed"))

    def taken_of(self, kind: int) -> int:
        return sum(party.wants.get(kind, 0) for _, party in self.numbered("confirmed"))

    def waiting(self) -> int:
        return len(list(self.numbered("waiting")))

    def used(self, code: str) -> int:
        return sum(p.tickets for p in self.parties if p.is_active and p.code == code)

    def has_left(self, wants: Mapping[int, int]) -> bool:
        return not self.missing(wants) and sum(wants.values()) <= self.capacity - self.taken()

    def missing(self, wants: Mapping[int, int]) -> set[int]:
        """The types of which fewer are left than are wanted."""
        quotas = {kind: self.quotas[kind] for kind in wants}
        return {
            kind
            for kind, quota in quotas.items()
            if quota is not None and wants[kind] > quota - self.taken_of(kind)
        }

    def kept_back(self, before: int | None = None) -> set[int] | None:
        """The types that somebody ahead of a position lacks; `None` where nobody behind gets any.

        Without a position it is about whoever comes next.
        """
        lacking: set[int] = set()
        if not self.promotes:
            return lacking
        for position, party in self.numbered("waiting"):
            if before is not None and position >= before:
                break
            if self.first_over is not None and position >= self.first_over:
                return None
            lacks = self.missing(party.wants) | (lacking & party.wants.keys())
            if not lacks and not self.has_left(party.wants):
                return None
            lacking |= lacks
        somebody = next(self.numbered("waiting"), None)
        held_up = (
            somebody is not None
            and self.first_over is not None
            and (before is None or before >= self.first_over)
        )
        return None if held_up else lacking

    def next_party(self) -> int | None:
        """The position of who gets tickets now."""
        for position, party in self.numbered("waiting"):
            kept_back = self.kept_back(position)
            if kept_back is None:
                return None
            if not kept_back & party.wants.keys() and self.has_left(party.wants):
                return position
        return None

    def settle(self) -> list[int]:
        """Promote whoever is next until nobody is."""
        promoted: list[int] = []
        while self.promotes and (position := self.next_party()):
            self.parties[position - 1].status = "confirmed"
            promoted.append(position)
        self.moved_up.update(promoted)
        return promoted

    def book(
        self, who: str, wants: dict[int, int], *, code: str | None = None, only_now: bool = False
    ) -> Told:
        newcomer = Party(who, dict(wants), "waiting", code)
        if refusal := self.why_not(newcomer):
            return refused(refusal)
        if not self.promotes:
            if not self.has_left(wants):
                return refused("not_at_once" if only_now and self.has_any(wants) else "sold_out")
            self.end_list()
            self.parties.append(replace(newcomer, status="confirmed"))
            return "booked", len(self.parties), "confirmed", None
        # The last in line.
        waiting = self.waiting()
        self.parties.append(newcomer)
        position = len(self.parties)
        if promoted := self.settle():
            assert promoted == [position], "a newcomer moves nobody but itself"
            # Who is served on the spot has not waited for it.
            self.moved_up.discard(position)
            return "booked", position, "confirmed", None
        has_place = self.waiting_limit is None or waiting < self.waiting_limit
        if has_place and not only_now:
            return "booked", position, "waiting", waiting + 1
        self.parties.pop()
        if only_now:
            return refused("not_at_once")
        return refused("waiting_list_full" if self.waiting_limit else "sold_out")

    def why_not(self, newcomer: Party) -> str | None:
        if not self.is_open:
            return "not_open"
        if newcomer.tickets > min(self.most, self.capacity):
            return "too_many_tickets"
        if newcomer.code and self.used(newcomer.code) >= self.code_limits[newcomer.code]:
            return "unknown_code"
        if refusal := self.why_not_of(newcomer.wants):
            return refusal
        held = [party for party in self.parties if party.who == newcomer.who and party.is_active]
        if any(party.status == "confirmed" or self.promotes for party in held):
            return "already_booked"
        return self.why_not_with(newcomer.code, newcomer.tickets)

    def why_not_of(self, wants: Mapping[int, int]) -> str | None:
        for kind, tickets in sorted(wants.items()):
            quota = self.quotas[kind]
            if kind not in self.on_sale:
                return "type_not_on_sale"
            if quota is not None and tickets > quota:
                return "too_many_of_type"
        return None

    def why_not_with(self, code: str | None, more: int) -> str | None:
        if code is None or self.used(code) + more <= self.code_limits[code]:
            return None
        return "code_used_up"

    def has_any(self, wants: Mapping[int, int]) -> bool:
        """Whether anything is left of what is wanted; of several types, any seat."""
        kinds = list(wants) if len(wants) == 1 else []
        return self.has_left(dict.fromkeys(kinds, 1)) if kinds else self.taken() < self.capacity

    def end_list(self) -> None:
        for _, party in list(self.numbered("waiting")):
            party.status = "lapsed"

    def at(self, position: int) -> Party | str:
        if not 1 <= position <= len(self.parties):
            return "no_such_booking"
        party = self.parties[position - 1]
        if party.is_active:
            return party
        return "lapsed" if party.status == "lapsed" else "not_active"

    def is_kept(self, position: int, *, by_organizer: bool) -> bool:
        """Whether who asks may not give back what the party at a position has."""
        lately = position in self.moved_up and self.promotes
        waits = self.parties[position - 1].status == "waiting"
        return not (by_organizer or waits or self.may_cancel or lately)

    def cancel(self, position: int, *, by_organizer: bool) -> Told:
        if not 1 <= position <= len(self.parties):
            return refused("no_such_booking")
        party = self.parties[position - 1]
        if party.is_active:
            if self.is_kept(position, by_organizer=by_organizer):
                return refused("too_late")
            party.status = "cancelled"
            self.made_room[position] = self.settle()
        return "released", position, party.tickets, self.made_room.get(position, [])

    def change(self, position: int, wants: dict[int, int], *, by_organizer: bool) -> Told:
        party = self.at(position)
        if isinstance(party, str):
            return refused(party)
        if not wants:
            return refused("too_few_tickets")
        if refusal := self.is_mixed(party, wants):
            return refusal
        if party.wants == wants:
            return "released", position, party.tickets, []
        if sum(wants.values()) > party.tickets:
            return self.give_more(position, party, wants)
        if self.is_kept(position, by_organizer=by_organizer):
            return refused("too_late")
        party.wants = dict(wants)
        return "released", position, party.tickets, self.settle()

    def is_mixed(self, party: Party, wants: Mapping[int, int]) -> Told | None:
        steps = [wants.get(kind, 0) - party.wants.get(kind, 0) for kind in {*wants, *party.wants}]
        return refused("mixed_change") if min(steps) < 0 < max(steps) else None

    def give_more(self, position: int, party: Party, wants: dict[int, int]) -> Told:
        more = {
            kind: tickets - party.wants.get(kind, 0)
            for kind, tickets in wants.items()
            if tickets > party.wants.get(kind, 0)
        }
        if not self.is_open:
            return refused("not_open")
        if sum(wants.values()) > min(self.most, self.capacity):
            return refused("too_many_tickets")
        if refusal := self.why_not_of({kind: wants[kind] for kind in more}):
            return refused(refusal)
        if refusal := self.why_not_with(party.code, sum(more.values())):
            return refused(refusal)
        if party.status == "waiting":
            return refused("others_wait" if self.promotes else "list_ended")
        kept_back = self.kept_back()
        if kept_back is None or kept_back & more.keys():
            return refused("others_wait")
        if not self.has_left(more):
            return refused("not_free")
        if not self.promotes:
            self.end_list()
        party.wants = dict(wants)
        assert self.promotes is False or not self.settle(), "more for one moves nobody up"
        return "released", position, party.tickets, []

    def take(self, position: int, wants: dict[int, int]) -> Told:
        party = self.at(position)
        if isinstance(party, str):
            return refused(party)
        if not wants:
            return refused("too_few_tickets")
        if refusal := self.is_mixed(party, wants):
            return refusal
        if party.status == "confirmed":
            if party.wants == wants:
                return "released", position, party.tickets, []
            return refused("not_waiting")
        if not self.promotes:
            return refused("list_ended")
        kept_back = self.kept_back(position)
        if kept_back is None or kept_back & wants.keys():
            return refused("not_next")
        if not self.has_left(wants):
            return refused("not_free")
        party.wants = dict(wants)
        promoted = self.settle()
        assert promoted[0] == position, "who may take what is free has it"
        return "released", position, party.tickets, promoted

    def set_limits(self, capacity: int, quotas: Mapping[int, int | None]) -> Told:
        waiting = [party for _, party in self.numbered("waiting")]
        if capacity < max([1, self.taken(), *(party.tickets for party in waiting)]):
            return refused("capacity_too_low")
        for kind, quota in quotas.items():
            wanted = [party.wants.get(kind, 0) for party in waiting]
            if quota is not None and quota < max([1, self.taken_of(kind), *wanted]):
                return refused("quota_too_low")
        self.capacity = capacity
        self.quotas.update(quotas)
        return "resized", self.settle()

    def lapse(self, positions: tuple[int, ...], at_once: int) -> Told:
        due = [p for p in positions if not isinstance(self.at(p), str)]
        left = [p for p in due[at_once:] if self.parties[p - 1].status == "waiting"]
        for position in due[:at_once]:
            self.parties[position - 1].status = "lapsed"
        self.first_over = min(left, default=None) if due else None
        return "lapsed", due[:at_once], self.settle()
