"""The words of the door's page, for its template and, as data, for its scripts.

What stands in braces is filled in by whoever shows the text.
"""

from webapp.web.language import gettext as _
from webapp.web.language import language


def verdicts() -> dict[str, tuple[str, str]]:
    """{verdict: (the word that is shown large, what to do)}, also those that only a device has."""
    return {
        "admitted": (_("Let in"), ""),
        "again": (_("Already in"), _("Everybody of this ticket is in already.")),
        "too_many": (
            _("Too many"),
            _("Fewer people of this ticket are left than you asked for: nobody was let in."),
        ),
        "too_many_out": (
            _("Too many"),
            _("Fewer people of this ticket are in than should be taken back: nothing was changed."),
        ),
        "not_confirmed": (
            _("No ticket"),
            _("This booking waits or has lapsed. Send its people to the organizer."),
        ),
        "cancelled": (
            _("Cancelled"),
            _("This booking was cancelled. Send its people to the organizer."),
        ),
        "replaced": (
            _("Replaced"),
            _("There is a newer ticket for this booking. Ask for it, or search by name."),
        ),
        "unknown": (
            _("Unknown"),
            _("No ticket of this event has this code. Type it once more or search by name."),
        ),
        "other_event": (_("Other event"), _("This ticket is for another event.")),
        "undone": (_("Undone"), _("Nobody else was changed.")),
        "not_in": (_("Not in"), _("Nobody of this ticket is in, so there is nothing to undo.")),
        # What only a device says.
        "not_listed": (
            _("Not on the list"),
            _("This device has the list of {listTime}. You decide."),
        ),
        "cannot_check": (
            _("Not checked"),
            _("Without https this device cannot check a code. Search by name, or decide yourself."),
        ),
        "anyway": (
            language().pgettext("verdict", "Let in anyway"),
            _("It is kept, and sent as that later."),
        ),
        "nothing_known": (
            _("No network"),
            _("The server does not answer, and this device has no list. Nothing was noted."),
        ),
        "refused": (_("Not taken"), ""),
        "broken": (
            _("Something failed"),
            _("This scan is not noted. Load this page again, then scan once more."),
        ),
        "cannot_undo": (
            _("Not found"),
            _("This device does not know the ticket any more. Search by name instead."),
        ),
        "sold": (_("Let in"), _("Booked and let in.")),
        "not_sold": (
            _("Not known"),
            _("The server did not answer. Press the button again: nothing is booked twice."),
        ),
    }


def for_scripts() -> dict[str, object]:
    """All that the scripts of the page say."""
    return {
        "verdicts": verdicts(),
        "statuses": {
            "waiting": _("Waiting"),
            "lapsed": _("Lapsed"),
            "cancelled": _("Cancelled"),
            "held": _("Held"),
        },
        "soMany": _("{admitted} of {of} in"),
        "before": _("In since {time}."),
        "beforeBy": _("In since {time}, let in by {firstBy}."),
        "byItself": _("Decided without network."),
        "byItselfKept": _("Decided without network; it is kept, and sent later."),
        "more": _("How many more of them are here?"),
        "all": _("all {left}"),
        "anyway": _("Let in anyway"),
        "ticketType": _("Ticket type"),
        "noName": _("Without a name"),
        "undo": _("Undo"),
        "undoOf": _("Undo: {name}"),
        "notSent": _("not sent yet"),
        "letIn": _("Let in"),
        "letInOf": _("Let in: {name}"),
        "letInAt": _("Let in at {time}. {why}"),
        "nobody": _("Nobody has such a name."),
        "ready": _("Works without network too: the list of {listTime} is on this device."),
        "getsReady": _("Getting ready to work without network ..."),
        "away": _("No network. The list of {listTime} decides; scans are kept and sent later."),
        "awayNoList": _(
            "No network, and no list on this device yet: open this page with network once."
        ),
        "waiting": _("Waiting to be sent: {waiting}"),
        "others": _(
            "Scans of another event are not sent yet: {others}. Open the link of its door again."
        ),
        "keepsNothing": _(
            "This browser keeps nothing (a private window?): without network it cannot decide."
        ),
        "insecure": _(
            "This address does not begin with https: without network this page only finds names."
        ),
        "skew": _("The clock of this device says {own}, it is {time}. Scans go by the right time."),
        "over": _("The list has left this device. Ask the organizer for a new link."),
        "overWord": _("This door pass is over"),
        "overWaiting": _(
            "Scans that are not sent yet: {waiting}. They are kept, and sent when this device"
            " opens a new link for this event."
        ),
        "cameraStart": _("Use the camera"),
        "cameraStop": _("Camera off"),
        "cameraStarts": _("The camera starts ..."),
        "cameraInsecure": _(
            "The camera needs an address with https. Ask the organizer for it; typing works."
        ),
        "cameraNone": _("This browser has no camera for pages. Type the code instead."),
        "cameraReader": _(
            "The reader for QR codes could not be loaded. Type the code, or try again with network."
        ),
        "cameraProblems": {
            "NotAllowedError": _(
                "The camera is not allowed for this page. Allow it in the browser's settings"
                " of this page; typing works meanwhile."
            ),
            "NotFoundError": _("No camera was found. Type the code instead."),
            "NotReadableError": _("Another program uses the camera. Close it, or type the code."),
        },
    }
