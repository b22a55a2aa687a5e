"""Reads ``ROLLOUT_MAIL_RATES``: ``gmail.com=20/s example.org=600/min *=50/s``."""

from __future__ import annotations

import re

from rollout.adapters.mail.addresses import recipient
from rollout.domain.errors import BadInput
from rollout.domain.notices.rates import UNITS, MailRates, Rate, domain_of

_RATE = re.compile(rf"([1-9]\d{{0,5}})/({'|'.join(UNITS)})", re.ASCII)
_ALL_OTHERS = "*"


def mail_rates(setting: str, text: str) -> MailRates:
    """Read limits, with white space between them; raise ``BadInput`` for one that is none."""
    rates: dict[str, Rate] = {}
    for entry in text.split():
        name, _, written = entry.partition("=")
        domain = name if name == _ALL_OTHERS else _domain(setting, entry, name)
        rate = _RATE.fullmatch(written)
        if rate is None:
            raise _bad(setting, f"{entry!r} has no rate after a =")
        if domain in rates:
            raise _bad(setting, f"{name!r} has two limits")
        rates[domain] = Rate(int(rate[1]), rate[2])
    return MailRates(rates, rates.pop(_ALL_OTHERS, None))


def _domain(setting: str, entry: str, name: str) -> str:
    try:
        return domain_of(recipient(f"anybody@{name}").addr_spec)
    except ValueError as error:
        raise _bad(setting, f"{entry!r} does not begin with a domain, or *") from error


def _bad(setting: str, why: str) -> BadInput:
    units = ", ".join(UNITS)
    return BadInput(
        f"{setting}: {why}",
        fix="write it like gmail.com=20/s example.org=600/min *=50/s: whole numbers, by"
        f" {units}, and * for each other domain",
    )
