"""Return paths: each notice is sent from an address of its own, so its bounce names it (VERP)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rollout.domain.keyed_ids import KeyedIds

_TAG = "bounces+"


@dataclass(frozen=True, slots=True)
class ReturnPaths:
    """Makes and reads ``bounces+<notice id>.<keyed digest>@domain``.

    The digest keeps strangers from reporting on notices by counting. Some servers change the case
    of a local part, so it is written in small letters and read in any.
    """

    domain: str
    key: bytes = field(repr=False)

    def of(self, notice_id: int) -> str:
        """Return the address from which a notice is sent."""
        return f"{_TAG}{self._ids.of(notice_id)}@{self.domain}"

    def notice(self, addresses: Iterable[str]) -> int | None:
        """Return the notice that the first genuine one of these addresses names, or None."""
        for address in addresses:
            local, _, domain = address.lower().rpartition("@")
            if not local.startswith(_TAG) or domain != self.domain.lower():
                continue
            notice_id = self._ids.read(local.removeprefix(_TAG))
            if notice_id is not None:
                return notice_id
        return None

    @property
    def _ids(self) -> KeyedIds:
        return KeyedIds(self.key, "return path")
