"""Send a message to oneself, to see it as it arrives. It is no notice: it promises nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import uuid4

from rollout.domain.audit import Fact
from rollout.domain.errors import NotFound, Refused, Unavailable
from rollout.domain.notices.guests import GuestList
from rollout.services.notices.preview import NoticePreview
from rollout.services.ports import Letter, Mail, Mailer, Outcome, Receipt, StartUnitOfWork

MARK = "[Test] "


@dataclass(frozen=True, slots=True)
class Trial:
    """A test message that was sent."""

    reader: str  # the contact who would get it so
    subject: str
    message_id: str
    reply: str  # of the mail server


class NoticeTrial:
    """Sends to guests only, and leaves nothing behind but a fact."""

    def __init__(
        self,
        start: StartUnitOfWork,
        preview: NoticePreview,
        mailer: Mailer | None,
        guests: GuestList,
        mail_domain: str,
    ) -> None:
        self._start = start
        self._preview = preview
        self._mailer = mailer
        self._guests = guests
        self._mail_domain = mail_domain

    def send(
        self,
        account_id: str,
        step: str,
        *,
        to: str,
        operator: str,
        contact: str | None = None,
        deprecation: str | None = None,
    ) -> Trial:
        """Send the message that a contact of the account (None: the first) would get now.

        Raises ``Refused`` where there is no mail server, or ``to`` is no guest, and
        ``Unavailable`` where the mail server did not take it, or nobody knows.
        """
        if self._mailer is None:
            raise Refused("no mail server is known, so nothing is sent", fix="set ROLLOUT_SMTP_URL")
        if to not in self._guests:
            raise Refused(
                f"{to} is in no guest list: a test message goes to ourselves only",
                fix="name the address, or its domain as @example.com, in ROLLOUT_TEST_RECIPIENTS",
            )
        letters = self._preview.preview(account_id, step, deprecation)
        reader, letter = _chosen(account_id, letters, contact)
        letter = replace(letter, subject=MARK + letter.subject)
        message_id = f"<test.{uuid4()}@{self._mail_domain}>"
        with self._mailer.session() as session:
            mail = session.compose(to=to, message_id=message_id, letter=letter)
            receipt = session.send(mail) if isinstance(mail, Mail) else mail
        if receipt.outcome in (Outcome.ACCEPTED, Outcome.UNCERTAIN):
            data = {"step": step, "to": to, "as": reader, "message_id": message_id}
            self._record(operator, account_id, data | {"reply": receipt.reply})
        _require_accepted(to, receipt)
        return Trial(reader, letter.subject, message_id, receipt.reply)

    def _record(self, operator: str, account_id: str, data: dict[str, str]) -> None:
        with self._start() as uow:
            fact = Fact(operator, "notice.test-sent", f"account:{account_id}", None, data)
            uow.audit.append([fact])
            uow.commit()


def _chosen(
    account_id: str, letters: list[tuple[str, Letter]], contact: str | None
) -> tuple[str, Letter]:
    if contact is None:
        return letters[0]
    found = [each for each in letters if each[0].lower() == contact.lower()]
    if not found:
        known = ", ".join(email for email, _ in letters)
        raise NotFound(
            f"account {account_id} has no contact {contact!r} (known: {known})",
            fix=f"`rollout account show {account_id}` shows them",
        )
    return found[0]


def _require_accepted(to: str, receipt: Receipt) -> None:
    match receipt.outcome:
        case Outcome.ACCEPTED:
            return
        case Outcome.UNCERTAIN:
            raise Unavailable(
                f"nobody knows whether it was taken: {receipt.reply}", fix="look into the mailbox"
            )
        case Outcome.REFUSED:
            raise Refused(
                f"it was refused: {receipt.reply}", fix=f"is {to} right, and our own address?"
            )
        case _:
            raise Unavailable(f"it was not taken: {receipt.reply}", fix="try again later")
