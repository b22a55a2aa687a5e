"""What comes back is read in one vocabulary: the corpora's known answers, then all that is odd."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.adapters.mail.reports import is_mail, read_mail
from rollout.adapters.mail.reports.parsing import LONGEST
from rollout.domain.notices.delivery import Report, ReportKind

BOUNCED, DELAYED, DELIVERED, COMPLAINED, AUTO_REPLY, ANSWER, UNKNOWN = ReportKind

KINDS = {
    "complaint": COMPLAINED,
    "bounce": BOUNCED,
    "bounce without delivery-status part": BOUNCED,
    "delay notice": DELAYED,
}
Row = tuple[str | None, str | None, str | None, bool | None, bool]


def only(raw: str | bytes) -> Report:
    (report,) = read_mail(raw.encode() if isinstance(raw, str) else raw).reports
    return report


# The corpora


@pytest.fixture(scope="module")
def corpus(shared_data: Path) -> Path:
    return shared_data / "mail-bounces"


@pytest.fixture(scope="module")
def truth(shared_data: Path) -> dict[str, Any]:
    answers = json.loads((shared_data / "truth.json").read_text(encoding="utf-8"))
    messages: dict[str, Any] = answers["mail-bounces"]["messages"]
    return messages


def test_every_row_of_the_corpora_is_read_as_their_readme_says(
    corpus: Path, truth: dict[str, Any]
) -> None:
    found: dict[str, tuple[set[ReportKind], list[Row]]] = {}
    wanted: dict[str, tuple[set[ReportKind], list[Row]]] = {}
    for name, answer in truth.items():
        reports = read_mail((corpus / name).read_bytes()).reports
        found[name] = (
            {report.kind for report in reports},
            [(r.recipient, r.action, r.status, r.hard, r.address_dead) for r in reports],
        )
        columns = ("recipient", "action", "status", "hard", "address_dead")
        rows: list[Any] = [tuple(row[c] for c in columns) for row in answer["recipients"]]
        wanted[name] = ({KINDS[answer["kind"]]}, rows)

    assert found == wanted
    assert len(found) == 16
    assert sum(len(rows) for _, rows in found.values()) == 24


def test_every_row_of_the_corpora_says_why(corpus: Path, truth: dict[str, Any]) -> None:
    reasons = {
        name: read_mail((corpus / name).read_bytes()).reports[0].reason.lower() for name in truth
    }

    for name, words in {
        "flanker/arf-aol.eml": "spam complaint (feedback-type: abuse)",
        "flanker/broken-mime.eml": "delivery failed 10 attempts",
        "flanker/delayed.eml": "connection timed out",
        "flanker/gmail-no-dns.eml": "domain name not found",
        "flanker/mailbox-full.eml": "mailbox full",
        "flanker/office365.eml": "recipientnotfound",
        "mikel/multi-1.eml": "does not exist",
        "mikel/report-530.eml": "unknown e-mail address",
        "mikel/two-status-parts.eml": "has restricted sms e-mail",
        "flanker/delayed-broken.eml": "failed, 4.2.2",
    }.items():
        assert words in reasons[name], name


def test_the_two_files_that_are_one_mail_have_one_digest(corpus: Path) -> None:
    one, two = (read_mail((corpus / f"mikel/multi-{n}.eml").read_bytes()) for n in (1, 2))

    assert one == two


def test_the_message_that_is_returned_is_named_and_so_is_the_path_it_came_by(corpus: Path) -> None:
    zed = read_mail((corpus / "flanker/zed.eml").read_bytes())
    yahoo = read_mail((corpus / "flanker/arf-yahoo.eml").read_bytes())
    gmail = read_mail((corpus / "flanker/gmail-invalid-address.eml").read_bytes())

    assert zed.originals == ("<20090708054735.GC7578@example.com>",)
    assert zed.message_id == "<20090708054739.270231E8B13@mail.example.com>"
    assert zed.written_at == datetime(2009, 7, 8, 5, 47, 39, tzinfo=UTC)
    assert "bounce+705f77.d4a-user=yahoo.com@example.com" in yahoo.returned_to
    assert gmail.originals[0].startswith("<CAKsfaBUUGq")


# Delivery status notifications

DSN = """\
From: MAILER-DAEMON@relay.example
Subject: Notification
Message-ID: <dsn-1@relay.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=B

--B
Content-Type: text/plain

{prose}
--B
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; ann@acme.example
{fields}

--B
Content-Type: text/rfc822-headers

Message-ID: <ours@platform.example>

--B--
"""


def notified(fields: str, prose: str = "") -> Report:
    return only(DSN.format(fields=fields, prose=prose))


@pytest.mark.parametrize(
    ("fields", "kind", "hard", "dead"),
    [
        ("Action: delivered\nStatus: 2.0.0", DELIVERED, False, False),
        ("Action: relayed\nStatus: 2.0.0", DELIVERED, False, False),
        ("Action: Expanded\nStatus: 2.0.0", DELIVERED, False, False),
        ("Action: delayed\nStatus: 4.4.1", DELAYED, False, False),
        ("Action: failed\nStatus: 5.1.1", BOUNCED, True, True),
        ("Action: failed\nStatus: 5.1.2 (no such domain)", BOUNCED, True, True),
        ("Action: failed\nStatus: 5.4.4", BOUNCED, True, False),
        ("Action: failed\nStatus: 5.7.1", BOUNCED, True, False),
        ("Action: failed\nStatus: 4.1.1", BOUNCED, False, False),
        ("Action: failed", BOUNCED, None, False),
        ("Action: failed\nDiagnostic-Code: smtp; 554 no", BOUNCED, True, False),
        ("Action: failed\nDiagnostic-Code: smtp; 550 5.1.1 no", BOUNCED, True, True),
        ("Status: 5.1.1", BOUNCED, True, True),
        ("Status: 4.1.1", UNKNOWN, False, False),
        ("Action: exploded\nStatus: 5.1.1", UNKNOWN, False, False),
    ],
)
def test_action_and_status_decide(fields: str, kind: ReportKind, hard: Any, *, dead: bool) -> None:
    report = notified(fields)

    assert (report.kind, report.hard, report.address_dead) == (kind, hard, dead)
    assert report.recipient == "ann@acme.example"


@pytest.mark.parametrize(
    ("status", "words", "dead"),
    [
        ("5.0.0", "550 5.1.1 User unknown", True),
        ("5.0.0", "550 No such user here", True),
        ("5.0.0", "550 <ann@acme.example>: Recipient address rejected: User unknown", True),
        ("5.0.0", "550 Mailbox ann does not exist", True),
        ("5.0.0", "554 delivery error: This user doesn't have a yahoo.com account", True),
        ("5.0.0", "554 Message content rejected", False),
        ("5.1.1", "550 5.1.1 mailbox full", False),
        ("5.1.1", "550 5.1.1 blocked using a blocklist", False),
        ("5.1.1", "550 5.1.1 NoSuchUser https://support.example/policy/spam", True),
        ("5.1.0", "550 5.1.0 Recipient rejected", True),
        ("5.1.0", "550 5.1.0 Sender rejected", False),
        ("5.7.1", "550 5.7.1 Recipient address rejected: Access denied", False),
        ("5.2.1", "550 5.2.1 The account is disabled", False),
    ],
)
def test_an_address_is_dead_only_where_code_or_words_say_so_and_nothing_says_otherwise(
    status: str, words: str, *, dead: bool
) -> None:
    report = notified(f"Action: failed\nStatus: {status}\nDiagnostic-Code: smtp; {words}")

    assert (report.hard, report.address_dead) == (True, dead)
    assert report.reason == words


def test_the_address_that_we_wrote_to_is_named_not_the_one_it_was_forwarded_to() -> None:
    report = notified("Original-Recipient: rfc822;art@acme.example\nAction: failed\nStatus: 5.1.1")

    assert report.recipient == "art@acme.example"


def test_a_report_within_a_returned_message_is_not_counted() -> None:
    inner = DSN.format(fields="Action: failed\nStatus: 5.1.1", prose="")
    outer = (
        "From: Bob <bob@beta.example>\nSubject: Fwd\nMIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=OUT\n\n--OUT\nContent-Type: message/rfc822\n\n"
        f"{inner}\n--OUT--\n"
    )

    assert only(outer).kind is UNKNOWN


# Complaints


@pytest.mark.parametrize(
    ("feedback", "kind"),
    [("abuse", COMPLAINED), ("fraud", COMPLAINED), ("not-spam", UNKNOWN), ("", UNKNOWN)],
)
def test_a_feedback_report_is_a_complaint_only_if_its_type_is_one(
    feedback: str, kind: ReportKind
) -> None:
    raw = (
        "From: fbl@isp.example\nContent-Type: multipart/report; boundary=B\n\n--B\n"
        f"Content-Type: message/feedback-report\n\nFeedback-Type: {feedback}\nVersion: 1\n\n--B--\n"
    )
    report = only(raw)

    assert (report.kind, report.hard, report.address_dead) == (kind, False, False)


# Bounces in prose

QMAIL = """\
Return-Path: <>
From: MAILER-DAEMON@mail.example
Subject: failure notice

Hi. This is the qmail-send program at mail.example.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<ann@acme.example>:
{said}

--- Below this line is a copy of the message.

Return-Path: <rollout@platform.example>
Message-ID: <ours@platform.example>
Subject: No such user! Mailbox unavailable, 550 5.1.1

"""
EXIM = """\
From: Mail Delivery System <Mailer-Daemon@mail.example>
X-Failed-Recipients: ann@acme.example, art@acme.example
Auto-Submitted: auto-replied
Subject: Mail delivery failed: returning message to sender

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  ann@acme.example
    host mx.acme.example [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<ann@acme.example>:
    {said}

------ This is a copy of your message, including all the headers. ------

Message-ID: <ours@platform.example>
"""


@pytest.mark.parametrize(
    ("said", "status", "dead"),
    [
        ("Sorry, no mailbox here by that name. (#5.1.1)", "5.1.1", True),
        ("Sorry, I couldn't find any host named acme.example. (#5.1.2)", "5.1.2", True),
        ("User is over quota. (#5.2.2)", "5.2.2", False),
        ("Remote host said: 554 go away", None, False),
    ],
)
def test_qmail_is_understood(said: str, status: str | None, *, dead: bool) -> None:
    mail = read_mail(QMAIL.format(said=said).encode())
    (report,) = mail.reports

    assert (report.kind, report.recipient, report.hard) == (BOUNCED, "ann@acme.example", True)
    assert (report.status, report.address_dead) == (status, dead)
    assert mail.originals == ("<ours@platform.example>",)


def test_exim_is_understood_and_names_two() -> None:
    mail = read_mail(EXIM.format(said="550 5.1.1 User unknown").encode())

    assert [(r.kind, r.recipient, r.address_dead) for r in mail.reports] == [
        (BOUNCED, "ann@acme.example", True),
        (BOUNCED, "art@acme.example", True),
    ]
    assert mail.originals == ("<ours@platform.example>",)


def test_a_warning_in_prose_is_a_delay() -> None:
    raw = EXIM.replace("Mail delivery failed: returning message to sender", "Warning: delayed")
    raw = raw.replace("This is a permanent error", "It has not yet been delivered")

    assert {r.kind for r in read_mail(raw.encode()).reports} == {DELAYED}


def test_a_person_who_quotes_a_bounce_has_not_bounced() -> None:
    raw = QMAIL.format(said="no mailbox here by that name (#5.1.1)")
    raw = raw.replace("Return-Path: <>\nFrom: MAILER-DAEMON@mail.example", "From: bob@beta.example")

    assert only(raw).kind is UNKNOWN


# Machines and people


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ("Auto-Submitted: auto-replied", AUTO_REPLY),
        ("Auto-Submitted: auto-generated (vacation)", AUTO_REPLY),
        ("X-Autoreply: yes", AUTO_REPLY),
        ("Precedence: auto_reply", AUTO_REPLY),
        ("Subject: Out of office: Deadline", AUTO_REPLY),
        ("Subject: Automatische Antwort: Frist", AUTO_REPLY),
        ("Auto-Submitted: no\nIn-Reply-To: <ours@platform.example>", ANSWER),
        ("In-Reply-To: <ours@platform.example>", ANSWER),
        ("References: <x@y> <ours@platform.example>", ANSWER),
        ("Subject: Hello", UNKNOWN),
    ],
)
def test_machines_are_told_from_people(headers: str, kind: ReportKind) -> None:
    report = only(f"From: Ann <ann@acme.example>\n{headers}\n\nMore time, please.\n")

    assert (report.kind, report.hard, report.address_dead) == (kind, False, False)


# Hostile and broken mail


def test_what_is_no_mail_is_told_from_mail_and_says_nothing(corpus: Path) -> None:
    for raw in (b"", b"\x00\x01", b"%PDF-1.4\n", b"                 Apache License\n"):
        assert not is_mail(raw)
        assert only(raw).kind is UNKNOWN
    assert all(is_mail(path.read_bytes()) for path in corpus.rglob("*.eml"))


@pytest.mark.parametrize("charset", ["utf-7", "zip", "no-such", "idna", "\x00", "unicode_escape"])
def test_a_wrong_character_set_loses_nothing(charset: str) -> None:
    raw = QMAIL.format(said="no mailbox here by that name (#5.1.1)").replace(
        "Subject: failure", f"Content-Type: text/plain; charset={charset}\nSubject: failure"
    )

    assert only(raw).address_dead


HOSTILE = {
    "ten megabytes of text": b"From: a@b.example\n\n" + b"permanent error 550 " * 500_000,
    "one long header": b"From: a@b.example\nContent-Type: " + b'a;"' * 300_000,
    "many boundaries": b"Content-Type: multipart/report; boundary=B\n\n" + b"--B\n\n" * 200_000,
    "many status rows": b"Content-Type: message/delivery-status\n\n"
    + b"Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n\n" * 15_000,
    "many ids": b"From: a@b.example\nReferences: " + b"<a@b> " * 150_000,
    "deeply nested": b"".join(
        b"Content-Type: multipart/mixed; boundary=B%d\n\n--B%d\n" % (n, n) for n in range(5_000)
    ),
    "messages in messages": b"Content-Type: message/rfc822\n\n" * 20_000,
    "addresses that never end": b"Return-Path: <>\n\ndelivery failed " + b"a.b-" * 200_000,
    "nothing but NULs": b"From: a@b.example\n\n" + bytes(LONGEST),
    "a subject of words": b"From: a@b.example\nSubject: " + b"=?utf-8?q?" * 100_000,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_mail_is_read_in_bounded_time_and_never_kills_an_address(raw: bytes) -> None:
    begun = monotonic()
    mail = read_mail(raw)

    assert monotonic() - begun < 10
    assert len(mail.reports) <= 100
    assert len(mail.originals) + len(mail.returned_to) <= 40
    assert len(mail.excerpt) <= 64 * 1024


@given(st.binary(max_size=2_000), st.sampled_from([DSN, QMAIL, EXIM]))
def test_whatever_the_bytes_are_reading_them_ends_in_printable_rows(
    noise: bytes, frame: str
) -> None:
    raw = frame.format(said="NOISE", fields="NOISE", prose="NOISE").encode()
    mail = read_mail(raw.replace(b"NOISE", noise))

    texts = [mail.sender, mail.subject, *mail.originals, *mail.returned_to]
    for report in mail.reports:
        texts += [report.reason, report.recipient or "", report.status or "", report.action or ""]
        assert report.hard is True or not report.address_dead
    assert all(text.isprintable() or "\u200d" in text or "\u200c" in text for text in texts)


@given(st.binary(max_size=500))
def test_whatever_is_cut_off_or_flipped_in_a_status_notification_it_never_crashes(
    noise: bytes,
) -> None:
    raw = DSN.format(fields="Action: failed\nStatus: 5.1.1", prose="x").encode()
    for cut in range(0, len(raw), 97):
        read_mail(raw[:cut] + noise + raw[cut:])
