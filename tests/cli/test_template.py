"""``rollout template``: which texts count, and texts of an operator in the database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from threading import Event

import pytest

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.services.notices.templates import Templates
from rollout.testing import FakeMailer, FakeRenderer
from tests.support.campaign import Campaign
from tests.support.cast import PLAN
from tests.support.command_line import CommandLine, Done
from tests.support.database import digests
from tests.support.processes import wait_until

SUBJECT = "announcement/subject.txt"
WHY = ("--reason", "say who we are")
WAITING = """
SELECT count(*) FROM pg_locks
 WHERE relation = 'template_changes'::regclass AND NOT granted
"""


Put = Callable[..., Done]


@pytest.fixture
def put(cli: CommandLine, tmp_path: Path) -> Put:
    """Put a text into the database by a file."""

    def put_text(name: str, text: str | bytes, **settings: str) -> Done:
        file = tmp_path / name.replace("/", "-")
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return cli("template", "set", name, file, *WHY, **settings)

    return put_text


def folder(tmp_path: Path, name: str, **parts: str) -> Path:
    """Write a folder with some parts, whose names have no dots here."""
    place = tmp_path / name
    place.mkdir()
    for part, text in parts.items():
        (place / part.replace("_", ".")).write_text(text, encoding="utf-8")
    return place


WHOLE = {"subject_txt": "Soon", "body_txt": "Soon.\n", "body_html": "<html><body>S</body></html>"}


def facts(campaign: Campaign) -> list[tuple[str, ...]]:
    return campaign.rows(
        "SELECT actor, action, subject, reason, data ->> 'sha256' FROM facts"
        " WHERE action LIKE 'template.%' ORDER BY seq"
    )


def test_the_list_says_where_texts_come_from_and_since_when_letters_are_written_so(
    cli: CommandLine,
    campaign: Campaign,
    put: Put,
    tmp_path: Path,
) -> None:
    own = folder(tmp_path, "own", x="")
    (own / "reminder").mkdir()
    (own / "reminder" / "subject.txt").write_text("Soon", encoding="utf-8")
    campaign.begin()
    campaign.remind()
    items = {item["template"]: item for item in cli("template", "list", "--json").items}
    assert {item["from"] for item in items.values()} == {"shipped"}
    assert items["announcement"]["since"] == "2027-01-01T12:00:00Z"
    assert items["reminder"]["since"] is None
    kept = cli("notice", "show", 1, "--json").json
    assert kept["template_version"] == items["announcement"]["version"]

    assert put(SUBJECT, "Hello {{ account_name }}").code == 0
    listed = cli("template", "list", "--json", templates=str(own))
    items = {item["template"]: item for item in listed.items}
    assert items["announcement"]["from"] == "database"
    assert items["announcement"]["changed"] == [f"{SUBJECT} (database)"]
    assert items["announcement"]["since"] is None  # nothing was written so yet
    assert items["announcement"]["version"] != kept["template_version"]
    assert items["reminder"]["changed"] == ["reminder/subject.txt (folder)"]
    assert items["disabled"]["from"] == "shipped"
    shown = cli("template", "list", templates=str(own)).stdout
    assert f"{SUBJECT} (database)" in " ".join(shown.split())
    german = cli("template", "list", "--language", "de", "--json").items
    assert {item["language"] for item in german} == {"de"}


def test_a_text_in_the_database_goes_before_the_folder_and_that_before_the_shipped_one(
    cli: CommandLine,
    campaign: Campaign,
    put: Put,
    tmp_path: Path,
) -> None:
    campaign.begin()
    own = folder(tmp_path, "own", x="")
    (own / "announcement").mkdir()
    (own / SUBJECT).write_text("By folder", encoding="utf-8")

    def subject(**settings: str) -> str:
        shown = cli("notice", "preview", "acme", "announcement", "--json", **settings)
        return str(shown.items[0]["subject"])

    shipped = subject()
    assert subject(templates=str(own)) == "By folder"
    put(SUBJECT, "By database")
    assert subject(templates=str(own)) == subject() == "By database"
    assert cli("template", "show", SUBJECT).stdout == "By database"
    assert cli("template", "unset", "announcement", *WHY).code == 0
    assert (subject(templates=str(own)), subject()) == ("By folder", shipped)


def test_a_running_worker_takes_a_change_up_with_its_next_batch(
    cli: CommandLine,
    campaign: Campaign,
    mailer: FakeMailer,
    put: Put,
) -> None:
    campaign.begin()
    campaign.delivery.sweep()  # it has looked at the templates
    put(SUBJECT, "To {{ account_name }}")
    put("_locale/de.po", 'msgid "Account"\nmsgstr "Mandant"\n')
    campaign.remind()

    assert {sent.letter.subject for sent in mailer.sent} == {"To Acme Inc", "To Beta LLC"}
    count = "SELECT count(*) FROM template_versions WHERE template = 'announcement'"
    assert campaign.rows(count) == [(1,)]


def test_each_change_is_a_fact_with_operator_reason_and_digest(
    campaign: Campaign,
    cli: CommandLine,
    put: Put,
) -> None:
    assert put(SUBJECT, "Soon").stdout == f"{SUBJECT} is in the database now\n"
    again = put(SUBJECT, "Soon")
    assert again.stdout == "That is there already: nothing changes.\n"
    removed = cli("template", "unset", SUBJECT, *WHY, "--as", "bob")
    assert removed.stdout == f"{SUBJECT} is not in the database any more\n"

    about = (f"template:{SUBJECT}", "say who we are")
    assert facts(campaign) == [
        ("olga", "template.set", *about, sha256(b"Soon").hexdigest()),
        ("bob", "template.unset", *about, None),
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("reminder/body.html", "\n{{ acount_name }}", "reminder/body.html, line 2: unknown name"),
        ("reminder/body.txt", "{{ ''.__class__ }}", "reminder/body.txt, line 1: "),
        ("reminder/body.html", "{{ account_name | safe }}", "shows a value unescaped"),
        ("_base/several.txt", "{{ nothing }}", "_base/several.txt, line 1: unknown name"),
        ("_calendar/title.txt", "{{ keys }}", "_calendar/title.txt, line 1: unknown name 'keys'"),
        ("_locale/de.po", "rubbish", "_locale/de.po, line 1: "),
        ("reminder/body.txt", b"\xff", "reminder/body.txt cannot be read: it is no text in UTF-8"),
        ("reminder/body.txt", "a\0b", "reminder/body.txt cannot be read: it is no text in UTF-8"),
        ("reminder/body.txt", "x" * 1_000_001, "1,000,001 bytes, of 1,000,000 at most"),
        ("reminder/boddy.txt", "x", "'reminder/boddy.txt' is no text of a template"),
        ("../body.txt", "x", "'../body.txt' is no text of a template"),
        ("own/subject.txt", "x", "template 'own' has no body.txt"),
        ("reminder", "x", "which part of reminder is"),
    ],
)
def test_a_text_with_which_no_letter_could_be_written_is_refused_with_file_and_line(
    campaign: Campaign,
    put: Put,
    name: str,
    text: str | bytes,
    said: str,
) -> None:
    before = digests(campaign.engine)
    done = put(name, text)

    assert done.code == 1
    assert said in done.complaint
    assert "Way out:" in done.complaint or "at most" in done.complaint
    assert digests(campaign.engine) == before


def test_what_was_wrong_before_does_not_stand_in_the_way(
    put: Put,
    tmp_path: Path,
) -> None:
    own = folder(tmp_path, "own", x="")
    (own / "disabled").mkdir()
    (own / "disabled" / "subject.txt").write_text("{{ nothing }}", encoding="utf-8")

    assert put(SUBJECT, "Soon", templates=str(own)).code == 0
    both = put("reminder/subject.txt", "{{ nothing }}", templates=str(own))
    assert both.complaint.count("unknown name 'nothing'") == 1


def test_a_template_of_ones_own_comes_and_goes_as_a_whole(
    cli: CommandLine, campaign: Campaign, tmp_path: Path
) -> None:
    place = folder(tmp_path, "soon", **WHOLE)
    done = cli("template", "set", "soon", place, *WHY, "--json")
    assert sorted(done.json["changed"]) == ["soon/body.html", "soon/body.txt", "soon/subject.txt"]
    plan = PLAN.replace("{step: reminder,", "{step: reminder, template: soon,")
    assert plan != PLAN
    campaign.begin(plan)

    refused = cli("template", "unset", "soon", *WHY)
    assert refused.code == 1
    assert "api-keys needs the template 'soon'" in refused.complaint
    part = cli("template", "unset", "soon/body.txt", *WHY)
    assert "template 'soon' has no body.txt" in part.complaint

    campaign.plan.apply(PLAN, "plan.yaml", "olga")
    assert cli("template", "unset", "soon", *WHY).code == 0
    assert "soon" not in {item["template"] for item in cli("template", "list", "--json").items}


def test_a_version_is_shown_as_it_was_when_letters_were_written_with_it(
    cli: CommandLine,
    campaign: Campaign,
    put: Put,
) -> None:
    campaign.begin()
    campaign.remind()
    used = cli("notice", "show", 1, "--json").json["template_version"]
    before = cli("template", "show", SUBJECT).stdout
    put(SUBJECT, "Soon")

    assert cli("template", "show", SUBJECT).stdout == "Soon"
    assert cli("template", "show", SUBJECT, "--version", used[:12]).stdout == before
    now = cli("template", "show", "announcement", "--json").json
    then = cli("template", "show", "announcement", "--version", used, "--json").json
    texts = [{x["name"]: (x["from"], x["text"]) for x in each["items"]} for each in (now, then)]
    assert texts[0].pop(SUBJECT) == ("database", "Soon")
    assert texts[1].pop(SUBJECT) == ("shipped", before)
    assert texts[0] == texts[1]
    assert then["version"] == used
    shown = cli("template", "show", "announcement", "--version", used).stdout
    assert f"announcement in en, version {used[:12]}" in shown
    assert f"--- {SUBJECT} (shipped)" in shown
    assert "--- _base/body.html (shipped)" in shown


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("show", "announcment"), 1, "there is no template 'announcment' (known: announcement"),
        (("show", "announcement/x.txt"), 1, "there is no text 'announcement/x.txt'"),
        (("show", "announcement", "--version", "abc"), 1, "give at least 4 hexadecimal digits"),
        (("show", "announcement", "--version", "abcd"), 1, "no letter was written with a version"),
        (("show", "announcement", "--language", "klingon"), 2, "'klingon' is no locale"),
        (("set", SUBJECT, "/nowhere/x.txt", *WHY), 1, "cannot read /nowhere/x.txt"),
        (("set", SUBJECT, "/", *WHY), 1, "/ is a folder, and"),
        (("set", SUBJECT, "/", "--reason", " "), 2, "say why"),
        (("unset", SUBJECT, *WHY), 1, f"no text of its own for {SUBJECT} (it has: none)"),
    ],
)
def test_what_does_not_exist_is_named_with_a_way_out(
    cli: CommandLine, command: tuple[str, ...], code: int, said: str
) -> None:
    done = cli("template", *command)
    assert done.code == code
    assert said in done.complaint


def test_a_version_of_another_template_is_not_taken_for_one_of_this(
    cli: CommandLine, campaign: Campaign
) -> None:
    campaign.begin()
    campaign.remind()
    used = cli("notice", "show", 1, "--json").json["template_version"]
    done = cli("template", "show", "reminder", "--version", used)
    assert done.code == 1
    assert "is one of announcement, not of reminder" in done.complaint


def test_changes_are_tried_and_made_one_after_the_other_so_that_none_is_overlooked(
    start: Callable[[], SqlUnitOfWork], campaign: Campaign
) -> None:
    """The numbers of changes rise in the order in which they can be seen."""
    trying, go_on = Event(), Event()

    def put(name: str, check: Callable[[object], list[str]]) -> None:
        service = Templates(start, FakeRenderer(), lambda _: FakeRenderer(), check)
        service.put({name: "Soon"}, operator="olga", reason="in time")

    def slowly(_: object) -> list[str]:
        trying.set()
        assert go_on.wait(60)
        return []

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(put, SUBJECT, slowly)
        assert trying.wait(60)
        second = pool.submit(put, "reminder/subject.txt", lambda _: [])
        try:
            wait_until(lambda: campaign.rows(WAITING) == [(1,)])
        finally:
            go_on.set()
        first.result()
        second.result()
    changes = campaign.rows("SELECT name FROM template_changes ORDER BY change_id")
    assert changes == [(SUBJECT,), ("reminder/subject.txt",)]


def test_the_doctor_examines_what_is_in_the_database(cli: CommandLine, campaign: Campaign) -> None:
    campaign.run("INSERT INTO template_changes (name, text) VALUES (:n, '{{ x }}')", n=SUBJECT)
    findings = {item["subject"]: item for item in cli("doctor", "--json").items}
    assert f"{SUBJECT}, line 1: unknown name 'x'" in findings["templates"]["detail"]
