"""Templates in every language: a text is translated once, when the template is compiled."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from flask import current_app
from flask.templating import Environment
from jinja2 import TemplateAssertionError, nodes
from jinja2.visitor import NodeTransformer

from webapp.text.languages import ENGLISH, Form, Language, english_form

# The functions that a template calls with a text, and how many constants they begin with.
CONSTANTS = {"_": 1, "gettext": 1, "pgettext": 2, "ngettext": 2}
# HTML, or a place for a value.
is_special = re.compile(r"""[<>&"'%]""").search
split_at_placeholders = re.compile(r"%\((\w+)\)s").split


class Templates(Environment):
    """The templates in one language, English at first; `speaking` has them in another one.

    `{{ _("...") }}`, `{{ pgettext("context", "...") }}`, `{{ ngettext("one", "many", n) }}` and
    `{% trans %}` hold texts. What stands in a text for a value, such as %(name)s, gets it by the
    argument of that name; %(num)s is the number of `ngettext` as the language writes it.
    """

    # Has the extension make arguments of the values in a block.
    newstyle_gettext = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.add_extension("jinja2.ext.i18n")
        self.policies["ext.i18n.trimmed"] = True
        self.language = ENGLISH
        self.globals["language"] = ENGLISH
        self._in_language: dict[Language, Templates] = {ENGLISH: self}

    def speaking(self, language: Language) -> "Templates":
        """The same templates in a language, with all filters and globals of these."""
        known = self._in_language.get(language)
        return known or self._in_language.setdefault(language, self._overlay(language))

    def _overlay(self, language: Language) -> "Templates":
        templates = self.overlay()
        templates.language = language
        own = {"language": language, "plural_form": language.plural_form}
        templates.globals = {**self.globals, **own}
        return templates

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        Translator(self.language, name).visit(tree)
        tree.set_environment(self)
        return tree


def templates_in(language: Language) -> Templates:
    """The templates of the application that is running, in a language."""
    return cast(Templates, current_app.jinja_env).speaking(language)


class Translator(NodeTransformer):
    """Puts the words of a language in the place of the calls that ask for them.

    Like all that a template says itself, they are HTML already.
    """

    def __init__(self, language: Language, template: str | None) -> None:
        self.language = language
        self.template = template

    def visit_Output(self, node: nodes.Output) -> list[nodes.Stmt]:
        """What is shown as it is: as fast as if it had been written in this language."""
        shown: list[nodes.Stmt] = []
        together: list[nodes.Expr] = []
        for child in node.nodes:
            text = self._text(child)
            if text is None:
                together.append(self.visit(child))
            elif text.num is None:
                together += text.parts(text.forms[0])
            else:
                shown.append(nodes.Output(together, lineno=node.lineno))
                shown.append(text.statement())
                together = []
        return [*shown, nodes.Output(together, lineno=node.lineno)]

    def visit_Getattr(self, node: nodes.Getattr) -> nodes.Expr:
        """What is said of the language itself does not change either."""
        if isinstance(node.node, nodes.Name) and node.node.name == "language":
            return nodes.TemplateData(getattr(self.language, node.attr))
        return cast(nodes.Expr, self.generic_visit(node))

    def visit_Call(self, node: nodes.Call) -> nodes.Expr:
        """A text within an expression, such as an argument of a macro."""
        text = self._text(node)
        return cast(nodes.Expr, self.generic_visit(node)) if text is None else text.expression()

    def _text(self, node: nodes.Node) -> "Text | None":
        """The text that a call asks for; None where it is something else."""
        if not (isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name)):
            return None
        name = node.node.name
        if name not in CONSTANTS:
            return None
        constants, rest = node.args[: CONSTANTS[name]], node.args[CONSTANTS[name] :]
        said = [one.value for one in constants if isinstance(one, nodes.Const)]
        if len(said) != CONSTANTS[name] or len(rest) != (name == "ngettext"):
            raise TemplateAssertionError(
                f"{name}: a text is told apart by what it says, so it has to be a constant",
                node.lineno,
                self.template,
            )
        values = {each.key: self.visit(each.value) for each in node.kwargs}
        if name == "ngettext":
            num = self.visit(rest[0])
            values["num"] = nodes.Filter(num, "number", [], [], None, None)
            return Text(*self.language.forms(said[0], said[1]), num, values, node.lineno)
        key = (said[0], said[1]) if name == "pgettext" else said[0]
        return Text(*self.language.forms(key), None, values, node.lineno)


@dataclass(frozen=True, slots=True)
class Text:
    """A text in a template: its forms, the number that chooses one, and `{placeholder: value}`."""

    forms: Form
    plural_form: Callable[[int], int]
    num: nodes.Expr | None
    values: Mapping[str, nodes.Expr]
    lineno: int

    def statement(self) -> nodes.Stmt:
        """Shows the text."""
        *others, last = [nodes.Output(self.parts(f), lineno=self.lineno) for f in self.forms]
        statement: nodes.Stmt = last
        for index, output in reversed([*enumerate(others)]):
            test = self._is_form(index)
            statement = nodes.If(test, [output], [], [statement], lineno=self.lineno)
        return statement

    def expression(self) -> nodes.Expr:
        """Is the text."""
        *others, last = [self._whole(form) for form in self.forms]
        expression: nodes.Expr = last
        for index, other in reversed([*enumerate(others)]):
            expression = nodes.CondExpr(self._is_form(index), other, expression)
        return expression

    def _whole(self, form: str) -> nodes.Expr:
        if not is_special(form):
            # To escape what needs no escape costs less than to say that it is escaped.
            return nodes.Const(form, lineno=self.lineno)
        return nodes.Concat(self.parts(form), lineno=self.lineno)

    def parts(self, form: str) -> list[nodes.Expr]:
        """What a form shows, piece by piece."""
        pieces = split_at_placeholders(form)
        return [
            self.values[piece] if index % 2 else nodes.TemplateData(piece.replace("%%", "%"))
            for index, piece in enumerate(pieces)
            if piece
        ]

    def _is_form(self, index: int) -> nodes.Expr:
        assert self.num is not None
        if self.plural_form is english_form:
            return nodes.Compare(self.num, [nodes.Operand("eq", nodes.Const(1))])
        form = nodes.Call(nodes.Name("plural_form", "load"), [self.num], [], None, None)
        return nodes.Compare(form, [nodes.Operand("eq", nodes.Const(index))])
