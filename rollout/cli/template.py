"""``rollout template``: what letters are made of, and own texts in the database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from rollout.adapters.locales import canonical_locale
from rollout.adapters.mail.languages import SOURCE
from rollout.adapters.mail.sources import ORIGINS, SHIPPED, SUFFIXES, as_text
from rollout.adapters.mail.template_set import require_name
from rollout.cli.options import AsJson, AsOperator, Reason, operator_name
from rollout.cli.output import print_json, print_list, say
from rollout.cli.session import open_rollout
from rollout.domain.errors import BadInput, BadRows
from rollout.services.notices.templates import ListedTemplate
from rollout.services.ports import TemplateVersion

template = typer.Typer(help="What messages are made of.", no_args_is_help=True)

COLUMNS = ("template", "from", "version", "since", "changed")
DIGITS = 12  # of a version, for people
LARGEST = 1_000_000  # bytes of a file


def parse_locale(text: str) -> str:
    """Read a locale."""
    if (locale := canonical_locale(text)) is None:
        raise typer.BadParameter(f"{text!r} is no locale; write de, or pt_BR")
    return locale


Name = Annotated[str, typer.Argument(metavar="NAME[/PART]")]
InLanguage = Annotated[
    str, typer.Option("--language", parser=parse_locale, metavar="LOCALE", help="such as de")
]


@template.command("list")
def list_templates(language: InLanguage = SOURCE, as_json: AsJson = False) -> None:
    """List the templates with their versions, and where their texts come from.

    `changed` names the texts that are not the shipped ones; `since` is when the first letter was
    written with this version.

    Example: rollout template list --language de
    """
    with open_rollout() as rollout:
        listed = rollout.notices.templates.now(language)
    items = [_item(each, as_json=as_json) for each in listed]
    print_list(items, COLUMNS, as_json=as_json)


def _item(listed: ListedTemplate, *, as_json: bool) -> dict[str, Any]:
    version = listed.version
    origins = {name: found[0].origin for name, found in version.sources.items()}
    changed = [f"{name} ({origin})" for name, origin in origins.items() if origin != SHIPPED]
    return {
        "template": version.template,
        "language": version.language,
        "from": max(origins.values(), key=ORIGINS.index),
        "version": version.digest.hex() if as_json else version.digest.hex()[:DIGITS],
        "since": listed.since,
        "changed": changed if as_json else ", ".join(changed),
    }


@template.command("show")
def show(
    name: Name,
    version: Annotated[
        str | None,
        typer.Option(metavar="DIGITS", help="as it was in this version, by its first digits"),
    ] = None,
    language: InLanguage = SOURCE,
    as_json: AsJson = False,
) -> None:
    """Print all texts that a template is made of, or one of them as it is, to change it.

    Example: rollout template show reminder/body.html > body.html
    """
    if "/" in name:
        with open_rollout() as rollout:
            source = rollout.notices.templates.text(name, version)
        if as_json:
            print_json({"name": name, "from": source.origin, "text": source.text})
        else:
            typer.echo(source.text, nl=False)
    else:
        with open_rollout() as rollout:
            shown = rollout.notices.templates.show(name, language, version)
        _print(shown, as_json=as_json)


def _print(shown: TemplateVersion, *, as_json: bool) -> None:
    texts = [
        {"name": name, "from": source.origin, "text": source.text}
        for name, found in shown.sources.items()
        for source in found
    ]
    if as_json:
        about = {"template": shown.template, "language": shown.language}
        print_json({**about, "version": shown.digest.hex(), "items": texts})
        return
    say(f"{shown.template} in {shown.language}, version {shown.digest.hex()[:DIGITS]}")
    for text in texts:
        say(f"\n--- {text['name']} ({text['from']})\n{text['text']}")


@template.command("set")
def set_template(
    name: Name,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="or a folder, for all of NAME")],
    reason: Reason,
    operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Put a text into the database, before that of ROLLOUT_TEMPLATES and the shipped one.

    Everything is tried first: nothing is changed if a letter could not be written with it. Running
    workers take it up with their next batch.

    Example: rollout template set reminder/subject.txt subject.txt --reason "say who we are"
    """
    texts = _read(name, file)
    with open_rollout() as rollout:
        changed = rollout.notices.templates.put(
            texts, operator=operator_name(operator), reason=reason
        )
    _say_changed(changed, "is in the database now", as_json=as_json)


@template.command("unset")
def unset(name: Name, reason: Reason, operator: AsOperator = None, as_json: AsJson = False) -> None:
    """Take a text, or all of a folder, out of the database: what lies below counts again.

    Example: rollout template unset reminder --reason "the shipped text is better"
    """
    with open_rollout() as rollout:
        changed = rollout.notices.templates.remove(
            name, operator=operator_name(operator), reason=reason
        )
    _say_changed(changed, "is not in the database any more", as_json=as_json)


def _say_changed(changed: list[str], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"changed": changed})
        return
    for name in changed:
        say(f"{name} {what}")
    if not changed:
        say("That is there already: nothing changes.")


def _read(name: str, file: Path) -> Mapping[str, str]:
    """Read one text, or those of a folder; raise ``BadInput`` for what is no template's."""
    if not file.is_dir():
        if "/" not in name:
            raise BadInput(
                f"which part of {name} is {file}?",
                fix=f"write {name}/subject.txt, say, or give a folder with all of it",
            )
        return {name: _text(name, file)}
    if "/" in name:
        raise BadInput(f"{file} is a folder, and {name} is one file", fix="give a file")
    files = sorted(each for each in file.iterdir() if each.suffix in SUFFIXES)
    if not files:
        raise BadInput(f"{file} has no {', '.join(sorted(SUFFIXES))}", fix="name another folder")
    return {f"{name}/{each.name}": _text(f"{name}/{each.name}", each) for each in files}


def _text(name: str, file: Path) -> str:
    require_name(name)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {file}: {error.strerror}", fix="name a file") from error
    if len(data) > LARGEST:
        raise BadRows(f"{file} is too long", [f"{len(data):,} bytes, of {LARGEST:,} at most"])
    return as_text(data, name)
