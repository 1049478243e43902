"""Which texts there are to translate, as the sources have them, and catalogues brought up to date.

`flask --app wsgi texts` and the tests use it; nothing that serves does.
"""

import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from webapp.config import CATALOGUES, ROOT
from webapp.text.sentences import DELIVERY_PROBLEMS, HEADINGS, PROBLEMS, SENTENCES

WIDTH = 100
# Which arguments of a function are texts; with "c" comes a context.
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}
TEMPLATE_OPTIONS = {
    "newstyle_gettext": "true",
    "trimmed": "true",
    "trim_blocks": "true",
    "lstrip_blocks": "true",
    "silent": "false",
}
SENTENCES_FILE = "webapp/text/sentences.py"
TEXTS = (SENTENCES, PROBLEMS, DELIVERY_PROBLEMS, HEADINGS)


def extracted() -> Catalog:
    """A catalogue of all texts without translations, each with the files in which it stands."""
    catalogue = Catalog(charset="utf-8")
    for path, key, context in sorted(_found(), key=lambda found: found[0]):
        catalogue.add(key, locations=[(path, 1)], context=context)
    return catalogue


def _found() -> Iterator[tuple[str, str | tuple[str, ...], str | None]]:
    """Each text with its file and context; a text with a number is (one, many)."""
    for sentence in chain.from_iterable(map(dict.values, TEXTS)):
        yield SENTENCES_FILE, sentence, None
    for method, folder, patterns in (
        ("jinja2.ext:babel_extract", "templates", ("*.html", "*.txt")),
        ("python", "webapp", ("*.py",)),
    ):
        for file in (each for pattern in patterns for each in (ROOT / folder).rglob(pattern)):
            name = str(file.relative_to(ROOT))
            found = extract_from_file(method, file, KEYWORDS, options=TEMPLATE_OPTIONS)
            for _, key, _, context in found:
                yield name, key, context


def read_catalogue(path: Path) -> Catalog:
    """A catalogue with its translations; an empty one where there is no such file yet."""
    if not path.exists():
        return Catalog(locale=path.stem.replace("-", "_"), charset="utf-8")
    with path.open("rb") as file:
        return read_po(file, locale=path.stem.replace("-", "_"))


def brought_up_to_date(path: Path) -> bytes:
    """What a catalogue should be: every text of the sources and no other, translated as before."""
    known = read_catalogue(path)
    catalogue = extracted()
    for message in catalogue:
        before = known.get(message.id, message.context) if message.id else None
        if before is not None and isinstance(before.id, str) == isinstance(message.id, str):
            message.string = before.string
            message.user_comments = before.user_comments
    header = (
        f'msgid ""\nmsgstr ""\n"Language: {path.stem}\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Plural-Forms: {known.plural_forms}\\n"\n\n'
    )
    file = io.BytesIO()
    write_po(file, catalogue, width=WIDTH, omit_header=True, include_lineno=False)
    return header.encode() + file.getvalue()


def untranslated(catalogue: Catalog) -> list[Message]:
    """The texts that a catalogue has no words for yet."""
    return [each for each in catalogue if each.id and not (each.string and all(each.string))]


def catalogue_of(code: str) -> Path:
    """The file of a language."""
    return CATALOGUES / f"{code}.po"
