"""The SQL of templates: the versions that letters were written with, and texts of operators."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from rollout.services.ports import Source, TemplateVersion
from rollout.services.ports.templates import KnownVersion, UsedVersion

NOTE = """
INSERT INTO template_versions (digest, template, language, sources, specimen)
VALUES (:digest, :template, :language, CAST(:sources AS jsonb), :specimen)
ON CONFLICT (digest) DO NOTHING
"""
KNOWN = "SELECT version_id, digest, specimen FROM template_versions WHERE digest = :digest"
FIRST_USED = "SELECT digest, first_used_at FROM template_versions WHERE digest = ANY(:digests)"
USED = """
SELECT digest, template, language, sources, first_used_at FROM template_versions
 WHERE starts_with(encode(digest, 'hex'), :prefix) ORDER BY version_id LIMIT 2
"""

LOCK = "LOCK TABLE template_changes IN SHARE ROW EXCLUSIVE MODE"  # readers do not wait
NEWEST = "SELECT coalesce(max(change_id), 0) FROM template_changes"
TEXTS = """
SELECT name, text FROM (SELECT DISTINCT ON (name) name, text FROM template_changes
                         ORDER BY name, change_id DESC) newest
 WHERE text IS NOT NULL
"""
CHANGE = "INSERT INTO template_changes (name, text) VALUES (:name, :text)"


class SqlTemplates:
    """Implements ``services.ports.templates`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def note(self, version: TemplateVersion, specimen: bytes) -> KnownVersion:
        """Note a version before its first letter; one that is known stays as it is."""
        sources = {name: [asdict(s) for s in found] for name, found in version.sources.items()}
        self._connection.execute(
            text(NOTE),
            {
                "digest": version.digest,
                "template": version.template,
                "language": version.language,
                "sources": json.dumps(sources),
                "specimen": specimen,
            },
        )
        row = self._connection.execute(text(KNOWN), {"digest": version.digest}).one()
        return KnownVersion(row.version_id, bytes(row.digest), bytes(row.specimen))

    def first_used(self, digests: Sequence[bytes]) -> Mapping[bytes, datetime]:
        """Say since when letters were written with some versions; unused ones are left out."""
        rows = self._connection.execute(text(FIRST_USED), {"digests": list(digests)})
        return {bytes(row.digest): row.first_used_at.astimezone(UTC) for row in rows}

    def used(self, prefix: str) -> Sequence[UsedVersion]:
        """Return the versions whose digest begins so, in hexadecimal digits; two at most."""
        rows = self._connection.execute(text(USED), {"prefix": prefix})
        return [UsedVersion(_version(row), row.first_used_at.astimezone(UTC)) for row in rows]

    def newest_change(self) -> int:
        """Return what is another as soon as a text has changed."""
        newest: int = self._connection.execute(text(NEWEST)).scalar_one()
        return newest

    def lock(self) -> None:
        """Be the only one to change texts, until the transaction ends."""
        self._connection.execute(text(LOCK))

    def texts(self) -> Mapping[str, str]:
        """Return the texts that operators have put into the database, by name."""
        return {row.name: row.text for row in self._connection.execute(text(TEXTS))}

    def change(self, texts: Mapping[str, str | None]) -> None:
        """Put texts in; None takes one out."""
        rows = [{"name": name, "text": said} for name, said in texts.items()]
        self._connection.execute(text(CHANGE), rows)


def _version(row: Row[Any]) -> TemplateVersion:
    sources = {name: [Source(**s) for s in found] for name, found in row.sources.items()}
    return TemplateVersion(row.template, row.language, sources, bytes(row.digest))
