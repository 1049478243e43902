"""Texts in templates: translated when a template is compiled, and shown as plain text is."""

import dis
from typing import Any

import pytest
from flask import Flask
from jinja2 import DictLoader, TemplateAssertionError

from tests.support.languages import made_up
from webapp.text.languages import Language
from webapp.text.templates import Templates

GERMAN = Language(
    "de",
    {
        "Search": ("Suchen",),
        ("event", "Cancelled"): ("Abgesagt",),
        "Hello <b>%(name)s</b>": ("<b>%(name)s</b>, guten Tag",),
        "%(num)s day": ("ein Tag", "%(num)s Tage"),
        "100%%": ("hundert%%",),
    },
)
HELLO = "<b>&lt;i&gt;</b>, guten Tag"
POLISH = Language("pl", {"%(num)s day": ("a", "b", "c")}, lambda n: min(n, 3) - 1)


def templates(**sources: str) -> Templates:
    made = Templates(Flask("x"), autoescape=lambda name: not (name or "").endswith("txt"))
    made.loader = DictLoader({name.replace("_", "."): text for name, text in sources.items()})
    made.filters["number"] = lambda number: f"{number:,}"
    return made


def shown(source: str, language: Language = GERMAN, **values: Any) -> str:
    return templates(x_html=source).speaking(language).get_template("x.html").render(**values)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('{{ _("Search") }}', "Suchen"),
        ('{{ _("Find") }}', "Find"),
        ('{{ pgettext("event", "Cancelled") }}', "Abgesagt"),
        ('<a title="{{ _("Search") }}">', '<a title="Suchen">'),
        ('{{ _("Hello <b>%(name)s</b>", name=who) }}', HELLO),
        (
            "{% trans name=who %}Hello <b>{{ name }}</b>{% endtrans %}",
            HELLO,
        ),
        ("{% trans %}\n  Search\n{% endtrans %}", "Suchen"),
        ("{% trans %}100%{% endtrans %}", "hundert%"),
        ('{{ ngettext("%(num)s day", "%(num)s days", 1) }}', "ein Tag"),
        ('{{ ngettext("%(num)s day", "%(num)s days", n) }}', "2,000 Tage"),
        ("{% trans num=n %}{{ num }} day{% pluralize %}{{ num }} days{% endtrans %}", "2,000 Tage"),
        ('{% set x = ngettext("%(num)s day", "%(num)s days", n) %}{{ x }}', "2,000 Tage"),
        (
            '{% set x = _("Hello <b>%(name)s</b>", name=who) %}{{ x }}',
            HELLO,
        ),
        ('{{ _("Search") if n else _("Find") }}', "Suchen"),
        ('{% macro say(x) %}{{ x }}{% endmacro %}{{ say(_("Search")) }}', "Suchen"),
        ("{{ language.code }}", "de"),
    ],
)
def test_text_is_in_the_language_of_the_templates(source: str, told: str) -> None:
    assert shown(source, who="<i>", n=2000) == told


@pytest.mark.parametrize(("number", "told"), [(1, "a"), (2, "b"), (3, "c"), (9, "c")])
def test_form_is_chosen_by_the_rule_of_the_language(number: int, told: str) -> None:
    source = '{{ ngettext("%(num)s day", "%(num)s days", n) }}'
    assert shown(source, POLISH, n=number) == told
    assert shown(f"{{% set x = {source[3:-3]} %}}{{{{ x }}}}", POLISH, n=number) == told


def test_text_of_a_mail_is_not_html() -> None:
    source = '{{ _("Hello <b>%(name)s</b>", name=who) }} {% set x = _("a < b") %}{{ x }}'
    made = templates(x_txt=source)
    assert made.get_template("x.txt").render(who="<i>") == "Hello <b><i></b> a < b"


@pytest.mark.parametrize(
    "source", ["{{ _(x) }}", '{{ ngettext("a", x, 1) }}', '{{ ngettext("a", "b") }}']
)
def test_text_that_nobody_could_find_is_refused(source: str) -> None:
    with pytest.raises(TemplateAssertionError, match="has to be a constant"):
        shown(source)


def test_nothing_is_looked_up_when_a_page_is_drawn() -> None:
    """The code of a page is that of a page which was written in its language."""

    def code_of(source: str) -> list[str]:
        code = templates(x_html=source).speaking(GERMAN).compile(source, "x.html")
        return [
            step.opname
            for const in code.co_consts
            if hasattr(const, "co_code")
            for step in dis.get_instructions(const)
        ]

    assert code_of('<p>{{ _("Search") }}</p>') == code_of("<p>Suchen</p>")
    translated = code_of('<p>{{ _("Hello <b>%(name)s</b>", name=who) }}</p>')
    assert translated == code_of("<p><b>{{ who }}</b>, guten Tag</p>")


def test_languages_share_filters_and_globals_but_no_code(app: Flask) -> None:
    greek = made_up("el")
    with app.test_request_context():
        base = app.jinja_env
        assert isinstance(base, Templates)
        assert base.speaking(greek) is base.speaking(greek).speaking(greek)
        assert base.speaking(greek).filters is base.filters
        english, other = (
            t.get_template("find/bookings.html") for t in (base, base.speaking(greek))
        )
        assert english is not other
        assert base.speaking(greek).speaking(base.language) is base
