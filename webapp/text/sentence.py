"""Sentences that are written where something is found out, and translated where they are shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from webapp.text.languages import ENGLISH, Language


def later(message: str) -> str:
    """Marks a text for the catalogues; imported as `_`."""
    return message


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text in English with its values: %(name)s stands for the value of that name."""

    text: str
    values: Mapping[str, object] = field(default_factory=dict)

    def said_in(self, language: Language) -> str:
        return language.gettext(self.text, **self.values)

    def __str__(self) -> str:
        return self.said_in(ENGLISH)


def said_in(language: Language, sentences: tuple[Sentence, ...]) -> str:
    """Sentences that follow each other."""
    return " ".join(sentence.said_in(language) for sentence in sentences)
