"""Switch the optional notices of one reader off, and on again."""

from __future__ import annotations

from dataclasses import replace

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.notices.unsubscribe import UnsubscribeTokens
from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.optional_mail import Reader

BY_LINK = "by the link in a message"


class Unsubscribing:
    """Does what the holder of a link asks for; a link that is not genuine leads to nobody."""

    def __init__(self, start: StartUnitOfWork, tokens: UnsubscribeTokens) -> None:
        self._start = start
        self._tokens = tokens

    def reader(self, token: str) -> Reader | None:
        """Return whose link it is, changing nothing."""
        contact_id = self._tokens.contact(token)
        if contact_id is None:
            return None
        with self._start() as uow:
            return uow.optional_mail.reader(contact_id)

    def switch(self, token: str, *, wanted: bool) -> Reader | None:
        """Switch optional notices; return the reader as it is then. Twice is the same as once."""
        contact_id = self._tokens.contact(token)
        if contact_id is None:
            return None
        with self._start() as uow:
            reader = uow.optional_mail.reader(contact_id)
            if reader is None:
                return None
            mail = uow.optional_mail
            changed = mail.resubscribe(reader) if wanted else mail.unsubscribe(reader)
            if changed:
                action = "contact.resubscribed" if wanted else "contact.unsubscribed"
                data = {"recipient": reader.email}
                facts = [Fact(ROLLOUT, action, f"account:{a}", BY_LINK, data) for a in changed]
                uow.audit.append(facts)
                uow.commit()
        return replace(reader, wanted=wanted)
