"""The words of mails, drawn from their templates in the language of the reader."""

import re

from webapp.config import current_settings
from webapp.text.languages import Language, language_of
from webapp.text.templates import templates_in


def language_for(code: str | None) -> Language:
    """The language of a code, else that of the setting `LANGUAGE`."""
    return language_of(code, default=current_settings().language)


def words_of(what: str, language: Language, **context: object) -> tuple[str, list[str]]:
    """Title and paragraphs of a kind of mail."""
    title, *paragraphs = paragraphs_of(render(f"{what}.txt", language, **context))
    return title, paragraphs


def paragraphs_of(text: str) -> list[str]:
    return re.split(r"\n\s*\n", text.strip().replace("\r\n", "\n"))


def render(template: str, language: Language, **context: object) -> str:
    return templates_in(language).get_template(f"mail/{template}").render(context)
