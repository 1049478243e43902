"""What is told to people of an error: one whole sentence for each kind, in their language."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from webapp.errors import DomainError, InvalidInput, Problem
from webapp.text.formatting import in_words
from webapp.text.languages import Language

# {kind of an error, or code of an error of HTTP: sentence}
SENTENCES = {
    "already_booked": "This attendee already has a booking for this event.",
    "already_booked.address": (
        "This address already has a booking for this event. We mail its link there again."
    ),
    "already_booked.address_untold": "This address already has a booking for this event.",
    "already_booked.new_address": (
        "This address already has a booking for this event, so it cannot be given to another one."
        " Cancel that one first, or leave the address as it is."
    ),
    "already_booked.receiver": (
        "This address already has a booking for this event, so the ticket cannot go to it. You keep"
        " it."
    ),
    "already_booked.position": (
        "This address already has a booking for this event: number %(position)s."
    ),
    "booking_closed.admitted": (
        "Somebody of this booking has been let in at the door, so it can be neither cancelled nor"
        " given to somebody else."
    ),
    "booking_closed.lapsed": "This booking has lapsed. Book again if you still want to come.",
    "booking_closed.not_active": "This booking has been cancelled.",
    "booking_closed.not_confirmed": (
        "Only a confirmed ticket can be given to somebody else. A place in line cannot."
    ),
    "booking_closed.not_waiting": "This booking does not wait any more: it has its tickets.",
    "booking_closed.too_late": "It is too late to change this booking here.",
    "booking_closed.unanswered": (
        "Answer our mail first: only then the ticket is yours to give to somebody else."
    ),
    "booking_not_found": "There is no such booking. Check that the link or the ids are complete.",
    "code_in_use": (
        "Somebody has booked with this code, so it stays. End it by its date or its limit instead."
    ),
    "code_not_found": "There is no such code.",
    "edit_conflict": "This was changed after you read it. Read it again, then send your change.",
    "edit_conflict.form": (
        "This was changed after you opened it, and nothing of yours is saved yet. Take over what"
        " you want from the marked fields, then choose “Save mine”."
    ),
    "edit_conflict.picture": (
        "The picture was changed after you opened this page. Nothing is removed yet: look at it,"
        " then remove it if you still want to."
    ),
    "event_closed.cancelled": "This event has been cancelled.",
    "event_closed.closed": "Booking has closed.",
    "event_closed.draft": "This event is not published yet.",
    "event_closed.has_bookings": "This event has bookings. Cancel the event instead.",
    "event_closed.not_yet_open": "Booking opens on %(opens_at)s.",
    "event_closed.over": "This event is over.",
    "event_closed.started": "This event has already started.",
    "event_not_found": "There is no such event. Check the address, or look at the list of events.",
    "idempotency_key_reused": "This key was used for a different request. Send a new key.",
    "link_expired": (
        "This link does not work any more: it was used, is older than a day, or the booking was"
        " changed since. Ask for a new one where you asked for this one."
    ),
    "link_expired.address": (
        "This link does not work any more: it was used, is older than a day, or the account was"
        " changed since. Ask for a new one in your settings."
    ),
    "link_expired.password": (
        "This link does not work any more: it was used, is older than an hour, or the account was"
        " changed since. Ask for a new one."
    ),
    "insufficient_access": "This token may not do this: it needs the level %(level)s.",
    "link_replaced": "This link was replaced. The new one was mailed.",
    "link_replaced.given": (
        "This ticket was given to somebody else. This link and the code of the ticket are void."
    ),
    "link_replaced.given_to": (
        "This ticket was given to %(name)s. This link and the code of the ticket are void."
    ),
    "name_taken": "There is an organizer %(username)s already.",
    "no_address": "This booking has no e-mail address to which its link could be sent.",
    "not_free": "So many tickets are not free now, only %(free)s. The booking stays as it is.",
    "not_free.at_once": "So many tickets are not free now, only %(free)s. Nothing was booked.",
    "not_free.none": "No more tickets are free now. The booking stays as it is.",
    "not_free.not_next": (
        "Only who is next in line can take what is free. The booking stays as it is."
    ),
    "not_free.others_wait": (
        "No more tickets can be had while somebody waits. The booking stays as it is."
    ),
    "pass_may_not_sell": (
        "This device may not sell tickets. Send them to the organizer, or ask for a pass that may."
    ),
    "pass_ended": (
        "This device has no door pass. Whoever runs the event makes one at the desk, under Door:"
        " open its link here, or point the camera of this device at its code."
    ),
    "pass_ended.ended": (
        "This door pass has ended. Ask whoever runs the event for a new one: it is made at the"
        " desk, under Door."
    ),
    "pass_ended.revoked": (
        "This door pass was revoked. Ask whoever runs the event for a new one: it is made at the"
        " desk, under Door."
    ),
    "pass_ended.unknown": (
        "This is no door pass. Check that its link is complete, or ask whoever runs the event for"
        " a new one."
    ),
    "pass_not_found": "There is no such door pass for this event.",
    "sold_out": "This event is sold out and has no waiting list.",
    "sold_out.at_once": "No ticket is free now. Nothing was booked.",
    "sold_out.others_wait": "What is free now is for those who wait. Nothing was booked.",
    "sold_out.started": "This event is sold out, and its waiting list ended with its start.",
    "token_needed": (
        "This cannot be answered here. Open the link in the mail that asks for it, and press the"
        " button there."
    ),
    "token_not_found": "There is no such token, or not any more.",
    "unauthorized.login_needed": "Send an organizer's username and password, or an API token.",
    "unauthorized.reference_or_login_needed": (
        "Send the booking's bookingReference, or log in as the event's organizer."
    ),
    "unauthorized.wrong_credentials": (
        "These credentials are not right. Check username and password, or the token."
    ),
    "unauthorized.wrong_login": "Name or password is wrong. Check both and try again.",
    "type_in_use": (
        "Somebody has booked this ticket type, so it stays. Hide it, or end its sale, to sell no"
        " more of it."
    ),
    "type_in_use.code": "A code is for this ticket type. Change or remove the code first.",
    "type_not_found": "There is no such ticket type.",
    "unavailable": "We are very busy or the database is away. Try again in a few seconds.",
    "unavailable.pictures": (
        "Pictures take too long to be read just now, so yours is not saved yet."
    ),
    "waiting_list_full": "This event is sold out and its waiting list is full.",
    # HTTP's own errors: what a person can do about them.
    "bad_request": "The request could not be read. Go back and try again.",
    "body_too_large": "What you sent is too large.",
    "forbidden": "You may not do this.",
    "internal_error": "Something went wrong on our side. It has been noted; try again in a minute.",
    "method_not_allowed": "This address cannot be used in this way.",
    "not_found": "There is nothing here. Check the address, or start from the list of events.",
    "rate_limited": "That was too often. Wait a little and try again.",
    "unauthorized": "Log in to see this.",
    "unsupported_media_type": "Send JSON with the content type application/json, not compressed.",
}

# {code of a problem: sentence}
PROBLEMS = {
    "address_needed": "Give an e-mail address: this event asks it by mail.",
    "admitted": "Keep at least %(limit)s: so many have been let in at the door.",
    "after_the_day": (
        "This is after the event: without an end it is over at midnight of the day on which it"
        " starts."
    ),
    "after_the_end": "This is after the end of the event.",
    "all_codes_made": "An event has at most %(limit)s codes.",
    "all_types_made": "An event has at most %(limit)s ticket types.",
    "another_address": "Leave it out, or repeat the address of userId.",
    "at_least": "Use a number of at least %(limit)s.",
    "at_most": "Use a number of at most %(limit)s.",
    "between": "Use a number from %(least)s to %(most)s.",
    "booking_reference": "This is not a booking reference.",
    "capacity_too_low": "Keep at least %(limit)s: so many are confirmed or wait together.",
    "changed_meanwhile": "Meanwhile changed to %(value)s.",
    "changed_meanwhile_see_below": "Meanwhile changed. How it reads now is shown below.",
    "choose_ticket_type": "Say of which ticket type: there are several.",
    "closing_is_past": "This lies in the past, so nobody can book. Change it if that is a slip.",
    "closing_would_be_past": (
        "This lies in the past, so nobody could book. Correct it, or go on all the same below."
    ),
    "code_alone": "Leave it out, or leave out the code.",
    "code_limit_too_low": "Keep at least %(limit)s: so many tickets are had with this code.",
    "code_taken": "Another code of this event reads like this.",
    "code_text": "Use 1 to %(limit)s printable characters without spaces.",
    "code_used_up": "Only %(limit)s more can be had with this code.",
    "codes_need_types": "Add a ticket type first: a code is for ticket types.",
    "control_characters": "Use plain text without control characters.",
    "cursor": "Use the nextCursor of the page before.",
    "date_and_time": "Use a date and time such as 2027-05-03T19:30.",
    "email": "Give an e-mail address such as ada@example.org.",
    "email_ending": "Give another e-mail address: no mail reaches those that end in .%(ending)s.",
    "emptied_meanwhile": "Meanwhile emptied.",
    "end_before_start": "The end has to be after the start.",
    "end_without_start": "An event that ends needs a start.",
    "field_twice": "Send each field once.",
    "file_missing": "Choose a file.",
    "file_too_large": "It has %(size)s MB. Use one of at most %(limit)s MB.",
    "idempotency_key": "Use 1 to %(limit)s printable ASCII characters.",
    "integer_or_string": "Use an integer or a string.",
    "list": "Send a list.",
    "list_missing": "Paste a list with at least one line, or choose its file.",
    "list_too_long": (
        "Use at most %(lines)s lines and %(size)s kB at once. Cut the list into parts and add them"
        " one after the other."
    ),
    "missing": "Fill in this field.",
    "mixed_change": "Give tickets back or ask for more, one after the other.",
    "most_passes": "There are %(limit)s door passes. Revoke one that is not used any more.",
    "most_tokens": "You have %(limit)s tokens. Revoke one that is not used any more.",
    "needs_mail": "Set up mails first (MAIL_URL): nobody could be asked.",
    "no_picture": "This is no picture that can be read. Use a JPEG, PNG, WebP or GIF file.",
    "no_such_type": "This event has no ticket type %(type)s.",
    "no_types": "This event has no ticket types: ask for tickets alone.",
    "nobody_in_line": "There is neither a name nor an address.",
    "not_the_sum": "Leave it out, or send the sum of the items: %(limit)s.",
    "not_json": "This is not JSON that we can read.",
    "not_json_constant": "%(name)s is not JSON.",
    "notice_address_missing": "Fill in the address to write to.",
    "object": "Send a JSON object.",
    "one_line": "Use one line of text.",
    "one_of": "Use one of %(allowed)s.",
    "opens_after_start": (
        "Booking has to open before the event starts, unless it closes at a later time of its own."
    ),
    "organizers_only": "Only the event's organizer can use this.",
    "pass_name": "Use 1 to %(limit)s printable characters, such as “North gate”.",
    "picture_removed_meanwhile": "Meanwhile removed.",
    "picture_replaced_meanwhile": "Meanwhile replaced: it is shown above.",
    "picture_too_demanding": (
        "This picture takes too much time or memory to be read. Save it smaller, as a plain JPEG."
    ),
    "pictures_busy": "Choose it again, and send it in a few seconds.",
    "quota_too_low": "Keep at least %(limit)s of %(type)s: so many are taken or wait together.",
    "reference_alone": "Use it alone, without userId and eventId.",
    "reference_or_ids": "Fill in userId and eventId, or bookingReference.",
    "sales_close_before_open": "Booking has to close after it opens.",
    "same_address": "This is its address already. Give the address of somebody else.",
    "skipped_by_clocks": "The clocks change then: that time does not exist.",
    "spreadsheet_file": (
        "This is a file of a spreadsheet. Save it there as CSV, or copy its cells and paste them."
    ),
    "start_is_past": "This lies in the past, so nobody can book. Change it if that is a slip.",
    "start_would_be_past": (
        "This lies in the past, so nobody could book. Correct it, or go on all the same below."
    ),
    "status_by_calls": "Use the calls publish, unpublish and cancel.",
    "switched_off_meanwhile": "Meanwhile switched off.",
    "switched_on_meanwhile": "Meanwhile switched on.",
    "text": "Use text.",
    "tickets_or_correction": "Send tickets alone, or a new name or email without it.",
    "time_zone": "Use an IANA time zone such as Europe/Berlin.",
    "token_days": "Use a number of days from 1 to %(limit)s.",
    "token_name": "Use 1 to %(limit)s printable characters, to know the token by.",
    "too_few_of_type": "Choose at least %(limit)s of %(type)s, or none.",
    "too_few_tickets": "Ask for at least %(limit)s.",
    "too_long": "Use at most %(limit)s characters.",
    "too_many_items": "Send at most %(limit)s at once.",
    "too_many_of_type": "Choose at most %(limit)s of %(type)s.",
    "too_many_pixels": "It has too many pixels. Use one of at most %(limit)s megapixels.",
    "too_many_tickets": "Ask for at most %(limit)s.",
    "too_many_types": "Choose at most %(limit)s ticket types in one booking.",
    "type_name_taken": "Another ticket type of this event has this name.",
    "too_many_with_code": "Have at most %(limit)s in one booking with this code.",
    "too_short": "Use at least %(limit)s characters.",
    "true_or_false": "Use true or false.",
    "twice_in_list": "The same person stands in line %(line)s.",
    "type_twice": "Send ticket type %(type)s once.",
    "type_not_on_sale": "Ticket type %(type)s is not on sale now.",
    "unknown_code": "This code is not valid. Check it, or go on without it.",
    "unknown_field": "This field is not known.",
    "unknown_organizer": "There is no organizer %(username)s.",
    "unusable": "This value cannot be used.",
    "upload_too_large": "That file is too large. Choose one of at most %(limit)s MB.",
    "user_id": "Use 1 to %(limit)s characters with no white space around them.",
    "username": "Use 1 to %(limit)s printable characters and no colon.",
    "uuid": "Use a random UUID such as 6f1c1c9e-3a53-4b0e-9a43-0f0b8a1f4d2c.",
    "valid_until_before_from": "It has to end after it begins.",
    "whole_number": "Use a whole number.",
    "wrong_password": "This is not your password.",
    "year": "Use a year from %(first)s to %(last)s.",
}

# {code of a delivery's problem: sentence}. What mail servers say themselves stays as they said it.
DELIVERY_PROBLEMS = {
    "letters": "The mail server cannot send to an address with such letters.",
    "no_address": "This is not an address that a mail can be sent to.",
    "not_written": "It could not be written. The log has the details.",
}

# {code of an error: what stands above its sentence where it is a page of its own}
HEADINGS = {
    "already_booked": "Already booked",
    "bad_request": "That could not be read",
    "body_too_large": "Too large",
    "booking_closed": "Too late to change",
    "booking_not_found": "Booking not found",
    "choose_ticket_type": "Choose a ticket type",
    "code_in_use": "Code in use",
    "code_not_found": "Code not found",
    "edit_conflict": "Changed meanwhile",
    "event_closed": "Not open for booking",
    "event_not_found": "Event not found",
    "forbidden": "Not allowed",
    "idempotency_key_reused": "Key used before",
    "internal_error": "That went wrong",
    "insufficient_access": "Not allowed",
    "invalid_input": "Invalid input",
    "link_expired": "Link expired",
    "link_replaced": "Link replaced",
    "method_not_allowed": "Not in this way",
    "name_taken": "Name taken",
    "no_address": "No address",
    "not_found": "Page not found",
    "not_free": "Not so many free",
    "pass_ended": "No door pass",
    "pass_may_not_sell": "Not with this pass",
    "pass_not_found": "Door pass not found",
    "rate_limited": "Too often",
    "sold_out": "Sold out",
    "token_not_found": "Token not found",
    "token_needed": "Open the link in the mail",
    "unauthorized": "Please log in",
    "type_in_use": "Ticket type in use",
    "type_not_found": "Ticket type not found",
    "unavailable": "Busy",
    "unknown_code": "Code not valid",
    "unsupported_media_type": "Not in this form",
    "waiting_list_full": "Waiting list full",
}


def sentence_of(error: DomainError, language: Language) -> str:
    """What is told of an error: of wrong input each field with its problem."""
    if isinstance(error, InvalidInput):
        told = problem_sentences(error, language)
        return "; ".join(f"{field}: {sentence}" for field, sentence in told.items())
    return _filled(SENTENCES[error.kind], error.parameters, language)


def problem_sentences(error: DomainError, language: Language) -> dict[str, str]:
    """What is wrong field by field: `{field: sentence}`."""
    return {field: problem_sentence(problem, language) for field, problem in error.problems.items()}


def problem_sentence(problem: Problem, language: Language) -> str:
    """What is told of a field; `Markup` where a parameter is."""
    return _filled(PROBLEMS[problem.code], problem.parameters, language)


def delivery_problem(noted: str, language: Language) -> str:
    """What is told of a delivery that failed, by what was noted then in English."""
    if noted in DELIVERY_PROBLEMS.values():
        return language.gettext(noted)
    return noted


def _filled(sentence: str, parameters: Mapping[str, Any], language: Language) -> str:
    """A sentence with its parameters; a moment is told in the zone that comes with it."""
    told = {
        name: in_words(value, parameters["time_zone"], language)
        if isinstance(value, datetime)
        else value
        for name, value in parameters.items()
    }
    return language.gettext(sentence, **told)
