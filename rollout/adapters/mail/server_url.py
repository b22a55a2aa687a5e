"""URLs of mail servers, as settings have them. They hold passwords: no message repeats one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from rollout.domain.errors import BadInput


@dataclass(frozen=True, slots=True)
class ServerUrl:
    """What a setting may hold: its schemes with their ports, and an example."""

    setting: str
    ports: Mapping[str, int]
    example: str

    def split(self, url: str) -> tuple[SplitResult, int]:
        """Return the parts of a URL and its port; raise ``BadInput`` where it is none of these."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise self.bad("its host or port cannot be read") from error
        if parts.scheme not in self.ports:
            schemes = " or ".join(f"{scheme}://" for scheme in self.ports)
            raise self.bad(f"it does not begin with {schemes}")
        return parts, self.ports[parts.scheme] if port is None else port

    def bad(self, why: str) -> BadInput:
        """Say why a URL cannot be used."""
        return BadInput(
            f"{self.setting} cannot be used: {why}",
            fix=f"write it like {self.example}, with any of / ? # @ : % in user or password"
            " percent-encoded",
        )


def credentials(parts: SplitResult) -> tuple[str, str]:
    """Return user and password, empty where there are none."""
    return unquote(parts.username or ""), unquote(parts.password or "")
