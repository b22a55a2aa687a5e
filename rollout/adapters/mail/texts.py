"""What ``{% trans %}`` and ``_()`` say in a template: the text in the reader's language."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from rollout.adapters.mail.languages import Languages


def install_texts(environment: Environment, languages: Languages) -> None:
    """Let the templates of an environment with the i18n extension speak the reader's language."""

    @pass_context
    def gettext(context: Context, message: str, /, **values: Any) -> str:
        texts = languages.of(context["locale"]).texts
        return _filled(texts.gettext(message), values, context)

    @pass_context
    def ngettext(context: Context, one: str, many: str, number: int, /, **values: Any) -> str:
        texts = languages.of(context["locale"]).texts
        return _filled(texts.ngettext(one, many, number), values, context)

    # Jinja then leaves filling in to us: a value is escaped where the template's other values are.
    vars(environment)["newstyle_gettext"] = True
    environment.globals.update(gettext=gettext, ngettext=ngettext, _=gettext)


def _filled(text: str, values: dict[str, Any], context: Context) -> str:
    return (Markup(text) if context.eval_ctx.autoescape else text) % values  # noqa: S704 - ours
