"""The briefs of accounts: shown to whoever has the link, and answered by one button."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.errors import no_account
from rollout.domain.notices.brief import Brief, BriefLinks, Standing
from rollout.services.ports import Renderer, StartUnitOfWork, UnitOfWork
from rollout.services.ports.briefs import Told

BY_LINK = "by the link in a message"


@dataclass(frozen=True, slots=True)
class Handed:
    """A person who was written to, and the link that they have."""

    told: Told
    url: str


class Briefs:
    """Shows briefs, takes answers, and knows the links. A link that has ended leads nowhere."""

    def __init__(
        self, start: StartUnitOfWork, links: BriefLinks, renderer: Renderer, reply_to: str
    ) -> None:
        """Take, too, the bare address to which people write for more time."""
        self._start = start
        self._links = links
        self._renderer = renderer
        self._reply_to = reply_to

    def read(self, token: str) -> str | None:
        """Return the page as it stands now, changing nothing; None for a wrong link."""
        self._renderer.refresh()
        with self._start() as uow:
            standing = self._standing(uow, token)
            return None if standing is None else self._page(uow, standing)

    def acknowledge(self, token: str) -> str | None:
        """Note that somebody takes care of it; return the page then. The first time counts."""
        with self._start() as uow:
            standing = self._standing(uow, token)
            if standing is None:
                return None
            if standing.state != "exempt" and uow.reports.acknowledge(standing.notice_id):
                uow.audit.append([_acknowledged(standing)])
                uow.commit()
        return self.read(token)

    def links(self, account_id: str) -> Sequence[Handed]:
        """Return the links of the people of an account that were written to and still lead on."""
        with self._start() as uow:
            if uow.briefs.version(account_id) is None:
                raise no_account(account_id)
            now = uow.now()
            told = [each for each in uow.briefs.told(account_id) if not each.standing.ended(now)]
        return [Handed(each, self._address(each.standing)) for each in told]

    def renew(self, account_id: str, *, operator: str) -> None:
        """Make every link to the briefs of an account void."""
        with self._start() as uow:
            version = uow.briefs.renew(account_id)
            if version is None:
                raise no_account(account_id)
            action, data = "account.briefs-renewed", {"version": version}
            uow.audit.append([Fact(operator, action, f"account:{account_id}", None, data)])
            uow.commit()

    def _standing(self, uow: UnitOfWork, token: str) -> Standing | None:
        notice_id = self._links.claimed(token)
        standing = None if notice_id is None else uow.briefs.standing(notice_id)
        if standing is None or not self._links.opens(token, standing.links_version):
            return None
        return None if standing.ended(uow.now()) else standing

    def _page(self, uow: UnitOfWork, standing: Standing) -> str:
        context = uow.notices.contexts([standing.notice_id], uow.now())[standing.notice_id]
        now = replace(context, deadline=standing.deadline, previous_deadline=None, reason=None)
        return self._renderer.brief(Brief(standing, now, self._reply_to))

    def _address(self, standing: Standing) -> str:
        which = standing.notice_id, standing.links_version
        return self._links.url(*which) or self._links.path(*which)


def _acknowledged(standing: Standing) -> Fact:
    data = {"notice_id": standing.notice_id, "step": standing.step}
    subject = f"account:{standing.account_id}"
    return Fact(ROLLOUT, "notice.acknowledged", subject, BY_LINK, data)
