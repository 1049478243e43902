"""What a check finds: a line, whether it is well, and who may read it."""

from dataclasses import dataclass, replace
from enum import StrEnum

from webapp.text.languages import Language
from webapp.text.sentence import Sentence, said_in


class State(StrEnum):
    OK = "ok"
    # True of a trial, and no fault there.
    NOTE = "note"
    FIX = "fix"


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the doctor; what tells of the machine or the database is the operator's alone."""

    state: State
    sentences: tuple[Sentence, ...]
    is_operators: bool = False

    def said_in(self, language: Language) -> str:
        return said_in(language, self.sentences)

    def for_operator(self) -> "Finding":
        return replace(self, is_operators=True)


def ok(text: str, **values: object) -> Finding:
    return Finding(State.OK, (Sentence(text, values),))


def note(text: str, **values: object) -> Finding:
    return Finding(State.NOTE, (Sentence(text, values),))


def fix(text: str, **values: object) -> Finding:
    return Finding(State.FIX, (Sentence(text, values),))
