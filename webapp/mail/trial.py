"""A mail to try the mail server with, sent at once: what the server says is the answer."""

import secrets
from typing import NamedTuple

from webapp import clock
from webapp.config import current_settings
from webapp.mail.channel import MailChannel
from webapp.mail.content import Mail, Reason
from webapp.mail.failures import PermanentFailure, TemporaryFailure
from webapp.mail.letters import lay_out
from webapp.mail.rendering import words_of
from webapp.text.languages import Language
from webapp.text.sentence import later as _


class Trial(NamedTuple):
    """Whether a mail was taken, and in whose words: the server's, or those of what failed."""

    is_sent: bool
    said: str


def send_trial(address: str, language: Language) -> Trial:
    """Send a mail to an address; it waits for the server, at most as long as for any other."""
    settings = current_settings()
    reason = Reason(_("You get this mail because you tried whether mails leave %(site)s"))
    mail = Mail(language, *words_of("trial", language), reason)
    lay_out(mail, f"trial.{secrets.token_hex(12)}", settings)
    channel = MailChannel(settings)
    try:
        name = f"{clock.now():%Y%m%dT%H%M%S}-trial.eml"
        return Trial(True, channel.send_mail(mail, address, name=name))
    except (PermanentFailure, TemporaryFailure) as error:
        return Trial(False, str(error))
    finally:
        channel.rest()
