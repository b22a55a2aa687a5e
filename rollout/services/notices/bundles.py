"""One person, one message: what is due to the same reader at the same time goes in one letter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rollout.services.ports import Letter, Mail, Receipt
from rollout.services.ports.letters import NewLetter
from rollout.services.ports.notice_ledger import Leased
from rollout.services.ports.templates import KnownVersion


@dataclass(frozen=True, slots=True)
class Bundle:
    """The notices that one letter tells one person. Each has its own row, and its own fate."""

    notices: tuple[Leased, ...]

    @classmethod
    def of(cls, notices: Sequence[Leased]) -> Bundle:
        """Return a bundle whose notices all say by which letter they are told."""
        lead = cls(tuple(notices)).lead
        if len(notices) == 1:
            return cls((lead,))
        return cls(
            tuple(
                replace(notice, message_id=lead.message_id, letter_id=lead.letter_id)
                for notice in notices
            )
        )

    @property
    def lead(self) -> Leased:
        """Return the notice that the letter is named after: by Message-ID and return path."""
        named = self.notices[0].letter
        return next((n for n in self.notices if n.notice_id == named), self.notices[0])

    @property
    def required(self) -> bool:
        """Say whether it tells anything that its reader cannot do without."""
        return any(n.required for n in self.notices)

    def without(self, notice_ids: Collection[int]) -> Bundle:
        """Return what is left when some are not to be told."""
        return Bundle(tuple(n for n in self.notices if n.notice_id not in notice_ids))


@dataclass(frozen=True, slots=True)
class Written:
    """A bundle, the letter that tells it, and of which versions its templates are."""

    bundle: Bundle
    letter: Letter
    versions: Mapping[int, KnownVersion]  # by notice


@dataclass(frozen=True, slots=True)
class Sealed:
    """A letter written out, or why it cannot be."""

    bundle: Bundle
    versions: Mapping[int, KnownVersion]
    mail: Mail | Receipt
    digest: bytes = b""  # SHA-256 of the mail

    @classmethod
    def of(cls, written: Written, mail: Mail | Receipt) -> Sealed:
        """Seal a letter that was written out."""
        digest = mail.digest() if isinstance(mail, Mail) else b""
        return cls(written.bundle, written.versions, mail, digest)

    def kept(self) -> Sequence[NewLetter]:
        """Return what is to be kept of it: nothing, where there is nothing to hand over."""
        if isinstance(self.mail, Receipt):
            return []
        version = self.versions[self.bundle.notices[0].notice_id]
        return [NewLetter(self.bundle.lead.letter_id, self.mail.data, self.digest, version)]

    def proof(self, notice_id: int) -> Mapping[str, str]:
        """Return what a fact says of it, so that it can be proven what was sent."""
        return proof(self.digest, self.versions[notice_id].digest)


def proof(digest: bytes | None, version: bytes | None) -> Mapping[str, str]:
    """Name a letter and a version of a template by their digests, as far as there are any."""
    named = {"sha256": digest, "template_version": version}
    return {name: value.hex() for name, value in named.items() if value}


def bundles(batch: Iterable[Leased]) -> Sequence[Bundle]:
    """Gather notices by reader. What was in one letter before is again, and nothing else is."""
    alike: dict[int | str, list[Leased]] = defaultdict(list)
    for leased in batch:
        alike[leased.letter or leased.email.lower()].append(leased)
    return [Bundle(tuple(sorted(each, key=lambda n: n.notice_id))) for each in alike.values()]
