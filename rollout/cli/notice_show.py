"""``rollout notice show``: one notice, and the very message that told it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from rollout.adapters.mail.message import read_back
from rollout.adapters.screenshot import find_chromium, take_screenshot
from rollout.cli.options import AsJson
from rollout.cli.output import out, print_json, print_list, print_pair, say, write_file
from rollout.cli.session import open_rollout
from rollout.domain.audit import StoredFact
from rollout.domain.errors import BadInput, NotFound, Refused
from rollout.domain.notices.proof import Proof
from rollout.services.notices.keeping import ProvenLetter, ShownNotice

FACTS = ("at", "actor", "action", "reason")
WIDTH = 800  # of a picture, in pixels


def show_notice(
    notice_id: Annotated[int, typer.Argument(metavar="NOTICE_ID")],
    raw: Annotated[
        str | None, typer.Option(metavar="FILE", help="the bytes as sent; - for standard output")
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="the text part alone")] = False,
    html: Annotated[bool, typer.Option("--html", help="the HTML part alone")] = False,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="a picture")] = None,
    letter: Annotated[
        int | None,
        typer.Option(min=1, help="which, where it was sent twice; the last, if not given"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what became of a notice, and the message that was sent, byte for byte.

    Its SHA-256 is compared with the one in the facts: what was altered since is not shown. It
    fails where a part of a message is asked for that is not kept (ROLLOUT_LETTERS_DAYS).

    Example: rollout notice show 4711 --raw message.eml
    """
    if sum((raw is not None, text, html, png is not None, as_json)) > 1:
        raise typer.BadParameter("give one of --raw, --text, --html, --png and --json")
    with open_rollout() as rollout:
        shown = rollout.notices.kept.show(notice_id)
        chromium = rollout.settings.chromium
    if as_json:
        print_json(_json(shown))
    elif raw is not None:
        _write_raw(raw, _bytes(shown, letter))
    elif png is not None:
        page = read_back(_bytes(shown, letter)).html
        chromium = find_chromium(chromium)
        write_file(png, take_screenshot(page, width=WIDTH, dark=False, chromium=chromium))
    elif text or html:
        kept = read_back(_bytes(shown, letter))
        say(kept.html if html else kept.text)
    else:
        _print(shown, letter)
    _require_unaltered(shown)


def _require_unaltered(shown: ShownNotice) -> None:
    for each in shown.letters:
        if each.proof is Proof.ALTERED:
            raise _altered(each)


def _altered(each: ProvenLetter) -> Refused:
    return Refused(
        f"letter {each.letter.letter_id} is not what was sent: it was altered since",
        fix="a backup may have it; `rollout audit verify` says whether the facts are intact",
    )


def _chosen(shown: ShownNotice, number: int | None) -> ProvenLetter:
    """Return the letter that is asked for; raise ``NotFound``."""
    letters = shown.letters
    if not letters:
        raise NotFound(
            f"no letter is kept of notice {shown.about['notice_id']}: none was handed over, or it"
            " was sent before letters were kept",
            fix="`rollout notice show` without an option says what is known",
        )
    if number is not None and number > len(letters):
        raise NotFound(f"there is no letter {number} of it", fix=f"it has {len(letters)}")
    return letters[(number or len(letters)) - 1]


def _bytes(shown: ShownNotice, number: int | None) -> bytes:
    """Return the bytes of a letter; raise ``NotFound`` or ``Refused`` where that cannot be."""
    chosen = _chosen(shown, number)
    if chosen.proof is Proof.ALTERED:
        raise _altered(chosen)
    if chosen.letter.data is None:
        raise NotFound(
            f"the bytes of letter {chosen.letter.letter_id} are not kept any longer",
            fix=f"its SHA-256 was {chosen.letter.digest.hex()}; ROLLOUT_LETTERS_DAYS says how long"
            " letters are kept",
        )
    return chosen.letter.data


def _write_raw(file: str, data: bytes) -> None:
    if file == "-":
        sys.stdout.buffer.write(data)
    elif Path(file).exists():
        raise BadInput(f"{file} exists already", fix="name another file: evidence is kept")
    else:
        write_file(Path(file), data)


def _json(shown: ShownNotice) -> dict[str, Any]:
    return {
        **shown.about,
        "facts": [_fact(fact) | {"data": json.loads(fact.data)} for fact in shown.facts],
        "letters": [{**_letter(each), **_parts(each)} for each in shown.letters],
    }


def _fact(fact: StoredFact) -> dict[str, Any]:
    return {name: getattr(fact, name) for name in ("seq", *FACTS)}


def _letter(each: ProvenLetter) -> dict[str, Any]:
    letter = each.letter
    return {
        "letter_id": letter.letter_id,
        "begun_at": letter.begun_at,
        "bytes": letter.size,
        "sha256": letter.digest.hex(),
        "tells": list(letter.tells),
        "proof": each.proof.value,
    }


def _parts(each: ProvenLetter) -> Mapping[str, str | None]:
    """Return what a letter says; None where its bytes are not kept, or cannot be trusted."""
    if each.letter.data is None or each.proof is Proof.ALTERED:
        return dict.fromkeys(("subject", "text", "html"))
    kept = read_back(each.letter.data)
    return {"subject": kept.subject, "text": kept.text, "html": kept.html}


def _print(shown: ShownNotice, number: int | None) -> None:
    width = max(map(len, shown.about))
    for name, value in shown.about.items():
        if value is not None:
            print_pair(name, value, width)
    out.print()
    print_list([_fact(fact) for fact in shown.facts], FACTS, as_json=False)
    for place, each in enumerate(shown.letters, start=1):
        letter, of = each.letter, f"{place} of {len(shown.letters)}"
        say(f"\nLetter {of}: {letter.size:,} bytes, {each.proof.sentence}")
        say(f"SHA-256 {letter.digest.hex()}")
        if others := [n for n in letter.tells if n != shown.about["notice_id"]]:
            say(f"It also told the notices {', '.join(map(str, others))}.")
    if not shown.letters:
        say("\nNo letter is kept of it: none was handed over, or it was before letters were kept.")
        return
    parts = _parts(_chosen(shown, number))
    if parts["subject"] is not None:
        say(f"\nSubject: {parts['subject']}\n\n{parts['text']}")
