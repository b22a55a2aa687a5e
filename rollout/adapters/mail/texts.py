"""What ``{% trans %}`` and ``_()`` say in a template: the text in the reader's language."""

from __future__ import annotations

from gettext import NullTranslations
from typing import Any

from jinja2 import Environment, nodes, pass_eval_context
from jinja2.nodes import EvalContext
from jinja2.visitor import NodeTransformer
from markupsafe import Markup


def install_texts(environment: Environment, texts: NullTranslations) -> None:
    """Let the templates of an environment with the i18n extension speak a language."""

    @pass_eval_context
    def gettext(context: EvalContext, message: str, /, **values: Any) -> str:
        return _filled(texts.gettext(message), values, context)

    @pass_eval_context
    def ngettext(context: EvalContext, one: str, many: str, number: int, /, **values: Any) -> str:
        return _filled(texts.ngettext(one, many, number), values, context)

    # Jinja then leaves filling in to us: a value is escaped where the template's other values are.
    vars(environment)["newstyle_gettext"] = True
    environment.globals.update(gettext=gettext, ngettext=ngettext, _=gettext)


def _filled(text: str, values: dict[str, Any], context: EvalContext) -> str:
    return (Markup(text) if context.autoescape else text) % values  # noqa: S704 - ours


class Translator(NodeTransformer):
    """Puts the texts into a parsed template: a call for each takes longer than all the rest."""

    def __init__(self, texts: NullTranslations) -> None:
        self._texts = texts

    def visit_Call(self, call: nodes.Call) -> nodes.Node:  # noqa: N802 - Jinja calls it so
        """Say what ``gettext`` would return, if its text is known before the reader is."""
        self.generic_visit(call)
        match call:
            case nodes.Call(node=nodes.Name(name="_" | "gettext"), args=[nodes.Const(value=text)]):
                values = [nodes.Pair(nodes.Const(v.key), v.value) for v in call.kwargs]
                said = nodes.MarkSafeIfAutoescape(nodes.Const(self._texts.gettext(text)))
                return nodes.Mod(said, nodes.Dict(values)).set_lineno(call.lineno)
        return call
