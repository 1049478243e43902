"""E-mail addresses: what is one, and which ones mail can reach."""

from email.utils import parseaddr
from functools import lru_cache

import email_validator
from email_validator import EmailNotValidError, ValidatedEmail, validate_email

# Nobody on the Internet has these, but inside of a company its own mail server may know them.
INSIDE = ("local", "test")
for _name in INSIDE:
    if _name in email_validator.SPECIAL_USE_DOMAIN_NAMES:
        email_validator.SPECIAL_USE_DOMAIN_NAMES.remove(_name)

# {a letter as wide as a Chinese one: the letter}, as keyboards of East Asia write them
NARROW = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}


class Unreachable(EmailNotValidError):
    """No mail server can ever have addresses that end in `ending`."""

    def __init__(self, ending: str) -> None:
        super().__init__(ending)
        self.ending = ending


def checked_address(text: str) -> ValidatedEmail:
    """An e-mail address in its parts. Raises `EmailNotValidError`, also `Unreachable`."""
    text = text.translate(NARROW)
    try:
        return validate_email(text, check_deliverability=False)
    except EmailNotValidError as error:
        ending = text.rpartition("@")[2].rpartition(".")[2].lower()
        if ending in email_validator.SPECIAL_USE_DOMAIN_NAMES:
            raise Unreachable(ending) from error
        raise


@lru_cache(maxsize=8)
def bare_address(text: str) -> str:
    """The address alone of one that may be written with a name: a setting, asked for each mail."""
    return parseaddr(text)[1]
