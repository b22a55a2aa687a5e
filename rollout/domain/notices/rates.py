"""How fast letters go to the mail servers of a domain: by our own limits, and by what they ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

UNITS: Mapping[str, int] = {"s": 1, "min": 60, "h": 3600}  # in seconds

# After a domain has asked for less: nothing at first, and twice as long each time in a row.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many letters in a unit of time, evenly."""

    letters: int
    unit: str  # one of UNITS

    def __str__(self) -> str:
        """Write it as the setting does."""
        return f"{self.letters}/{self.unit}"

    @property
    def per_second(self) -> float:
        """Return how many that is in a second."""
        return self.letters / UNITS[self.unit]

    @property
    def at_once(self) -> float:
        """Return how many may go at once after a silence: what two seconds allow, or two.

        With less, a letter that comes to its turn a second late would have lost it.
        """
        return max(2.0, 2 * self.per_second)


# How those come back that a pause has put off, where no limit is set: not all in one moment.
AFTER_A_PAUSE = Rate(10, "s")


@dataclass(frozen=True, slots=True)
class MailRates:
    """Our own limits. A subdomain is another domain."""

    of_domain: Mapping[str, Rate] = field(default_factory=dict)  # as ``domain_of`` writes them
    otherwise: Rate | None = None  # for each other domain by itself

    def of(self, domain: str) -> Rate | None:
        """Return the limit of a domain, or None."""
        return self.of_domain.get(domain, self.otherwise)


def domain_of(address: str) -> str:
    """Return the domain of a mail address, in small letters and ASCII (IDNA)."""
    domain = address.rpartition("@")[2].rstrip(".").lower()
    try:
        return domain.encode("idna").decode()
    except UnicodeError:  # no letter gets there, so it does not matter
        return domain
