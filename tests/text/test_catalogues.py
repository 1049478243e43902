"""Catalogues are complete and fit the sources, and the sources leave no text out."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages import Catalog, Message
from flask import Flask

from tests.support.servers import ROOT
from webapp.config import CATALOGUES
from webapp.storage.columns import MAX_LANGUAGE
from webapp.text import extraction
from webapp.text.languages import LANGUAGES

FILES = sorted(CATALOGUES.glob("*.po"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.*"))
# What nobody has made translatable yet.
NOT_YET: tuple[str, ...] = ()
# What stays in English: the description of the API.
ENGLISH = ("templates/api/",)

find_placeholders = re.compile(r"%\(\w+\)s").findall
find_tags = re.compile(r"<[^>]+>|&\w+;|[<>&\"]").findall
# What a template computes, and what of it is no words.
CODE = re.compile(r"(?s)\{#.*?#\}|\{% trans.*?endtrans %\}|\{%.*?%\}|\{\{.*?\}\}")
MARKUP = re.compile(r"(?s)<(style|svg)\b.*?</\1>|<[^>]*>|&\w+;")
ATTRIBUTES = re.compile(r'\b(?:alt|aria-label|data-label|label|placeholder)="([^"]*)"')
STRINGS = re.compile(r"\"([^\"]*)\"|'([^']*)'")
WORDS = re.compile(r"\b[A-Z][a-z]|[a-z]{2,} [a-z]{2,}")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def messages_of(path: Path) -> list[Message]:
    return [message for message in extraction.read_catalogue(path) if message.id]


def texts_of(message: Message) -> list[str]:
    return [message.id] if isinstance(message.id, str) else [*message.id]


def words_of(message: Message) -> list[str]:
    said = message.string or ""
    return [said] if isinstance(said, str) else [*said]


@cache
def all_texts() -> set[str]:
    return {text for message in extraction.extracted() for text in texts_of(message)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_catalogue_is_what_the_sources_say(path: Path) -> None:
    """`flask --app wsgi texts` brings it up to date."""
    assert path.read_bytes() == extraction.brought_up_to_date(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_text_is_translated(path: Path) -> None:
    catalogue: Catalog = extraction.read_catalogue(path)
    assert not [message.id for message in extraction.untranslated(catalogue)]
    assert not [message.id for message in catalogue if message.id and message.fuzzy]
    assert not catalogue.obsolete


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_translations_have_the_values_and_the_tags_of_the_text(path: Path) -> None:
    plural_form = LANGUAGES[path.stem].plural_form
    for message in messages_of(path):
        texts = texts_of(message)
        values = {name for text in texts for name in find_placeholders(text)}
        for index, form in enumerate(words_of(message)):
            # The number may be in the words of a form that is for one number alone: "one ticket".
            numbers = [number for number in range(1000) if plural_form(number) == index]
            may_miss = {"%(num)s"} if len(texts) > 1 and len(numbers) == 1 else set()
            assert values - may_miss <= {*find_placeholders(form)} <= values, message.id
            assert "%" not in re.sub(r"%\(\w+\)s|%%", "", form), message.id
            assert sorted(find_tags(form)) == sorted(find_tags(texts[-1])), message.id


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_number_has_a_form(path: Path) -> None:
    language = LANGUAGES[path.stem]
    for message in messages_of(path):
        if isinstance(message.id, str):
            continue
        forms, plural_form = language.forms(*message.id)
        assert plural_form is language.plural_form, message.id
        assert {plural_form(number) for number in (*range(1000), 10**6)} == {*range(len(forms))}, (
            message.id
        )


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_template_says_nothing_that_cannot_be_translated(path: Path) -> None:
    if name_of(path).startswith((*NOT_YET, *ENGLISH)):
        return
    source = path.read_text(encoding="utf-8")
    plain = CODE.sub("", source)
    said = {*ATTRIBUTES.findall(plain), MARKUP.sub("", plain)}
    for code in CODE.findall(source):
        if not code.startswith(("{#", "{% trans")):
            said |= {double or single for double, single in STRINGS.findall(code)}
    said -= all_texts()
    assert not [text for text in said if WORDS.search(text) and "#" not in text]


@pytest.mark.parametrize("path", sorted((ROOT / "webapp/pages").rglob("*.py")), ids=name_of)
def test_what_is_flashed_can_be_translated(path: Path) -> None:
    if name_of(path).startswith(NOT_YET):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "flash" or isinstance(node.args[0], ast.Call), node.lineno


def test_nothing_is_called_not_yet_that_has_texts_already() -> None:
    places = {place for message in extraction.extracted() for place, _ in message.locations}
    assert not [place for place in places if place.startswith((*NOT_YET, *ENGLISH))]
    assert all((ROOT / place).exists() for place in NOT_YET)


def test_catalogue_of_a_new_language_begins_with_every_text(
    app: Flask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(extraction, "CATALOGUES", tmp_path)
    runner = app.test_cli_runner()
    told = runner.invoke(args=["texts", "cs"])
    assert told.exit_code == 0
    assert re.fullmatch(r"cs: (\d+) texts, \1 of them to be translated.\n", told.output)
    started = (tmp_path / "cs.po").read_text(encoding="utf-8")
    assert "Plural-Forms: nplurals=3; plural=(" in started
    assert runner.invoke(args=["texts", "../fr"]).exit_code == 1
    assert not (tmp_path.parent / "fr.po").exists()


def test_translation_stays_when_a_catalogue_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "fr.po"
    path.write_bytes(extraction.brought_up_to_date(path))
    text = path.read_text(encoding="utf-8")
    begun = text.replace('msgid "Search"\nmsgstr ""', 'msgid "Search"\nmsgstr "Chercher"')
    path.write_text(f'{begun}\nmsgid "Gone"\nmsgstr "Parti"\n', encoding="utf-8")
    assert extraction.brought_up_to_date(path).decode() == begun != text


def test_code_of_each_language_fits_into_its_column() -> None:
    assert [code for code in LANGUAGES if len(code) > MAX_LANGUAGE or not code.isascii()] == []
