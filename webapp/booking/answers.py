"""Outcomes as they are kept under one-time keys, by this release and by the one before."""

from collections.abc import Mapping
from typing import Any

from webapp.booking.commands import Outcome, Status


def answer_of(outcome: Outcome, *, is_new_booking: bool) -> dict[str, Any]:
    """An outcome as it is stored under a one-time key."""
    references = {outcome.position: outcome.reference, **outcome.promoted}
    answer: dict[str, Any] = {
        "position": outcome.position,
        "tickets": outcome.tickets,
        "references": {str(position): name for position, name in references.items()},
    }
    if outcome.wants:
        answer["wants"] = outcome.wants
    if is_new_booking:
        asked = {"asked": True} if outcome.asked else {}
        return {**answer, "status": outcome.status, "rank": outcome.rank, **asked}
    # The release before, which may be running too, takes an answer with a `status` for a booking.
    return {**answer, "status_after": outcome.status, "promoted": list(outcome.promoted)}


def outcome_of(answer: Mapping[str, Any]) -> Outcome:
    """What `answer_of` stored.

    The release before stored no references, of a cancel or change no status, and of a cancel that
    was made before not who was promoted (null).
    """
    references = answer.get("references", {})
    return Outcome(
        answer["position"],
        references.get(str(answer["position"]), ""),
        Status(answer.get("status") or answer.get("status_after", Status.CONFIRMED)),
        answer["tickets"],
        answer.get("rank"),
        {position: references.get(str(position), "") for position in answer.get("promoted") or ()},
        repeated=True,
        asked=answer.get("asked", False),
        wants=answer.get("wants", ""),
    )
