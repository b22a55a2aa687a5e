"""What each letter was made of: versions of templates, noted before their first letter."""

from __future__ import annotations

from rollout.domain.errors import BadInput
from rollout.services.ports import Letter, Mail, MailSession, Renderer, StartUnitOfWork
from rollout.services.ports.templates import KnownVersion

UNKNOWN = KnownVersion(None, b"")
NOBODY, UNNAMED = "dev@acme.example", "<specimen@acme.example>"


class VersionBook:
    """Knows the versions that this process has written with."""

    def __init__(self, start: StartUnitOfWork, renderer: Renderer) -> None:
        self._start = start
        self._renderer = renderer
        self._known: dict[bytes, KnownVersion] = {}

    def of(self, letter: Letter, locale: str, session: MailSession) -> KnownVersion:
        """Return the version that a letter was written with; note it where it is new."""
        version = letter.version
        if version is None:
            return UNKNOWN
        if version.digest not in self._known:
            specimen = self._specimen(version.template, locale, session)
            with self._start() as uow:
                known = uow.templates.note(version, specimen)
                uow.commit()
            self._known[version.digest] = known
        return self._known[version.digest]

    def _specimen(self, template: str, locale: str, session: MailSession) -> bytes:
        """Return a mail to nobody. Letters are kept as what they differ by from it."""
        try:
            letter = self._renderer.specimen(template, locale)
            mail = session.compose(to=NOBODY, message_id=UNNAMED, letter=letter)
        except BadInput:  # only real accounts have all that this template names
            return b""
        return mail.data if isinstance(mail, Mail) else b""
