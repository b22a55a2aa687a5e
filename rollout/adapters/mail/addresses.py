"""Reads mail addresses: the recipients', which may be anything, and our own from the settings."""

from __future__ import annotations

import re
from email.headerregistry import Address
from email.utils import getaddresses

from rollout.domain.errors import BadInput
from rollout.domain.notices.guests import GuestList

# A Dot-string and a Domain (RFC 5321, section 4.1.2), with letters of any script (RFC 6531).
# Quoted local parts and address literals are left out: nobody is reached by them, many are fooled.
_ATOM = r'[^\s()<>\[\]:;@\\,."]+'
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_ADDRESS = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})*)")

_LONGEST = 254  # octets of a path without its brackets: section 4.5.3.1.3
_LONGEST_LOCAL = 64  # octets: section 4.5.3.1.1


def recipient(text: str) -> Address:
    """Read the bare address of a recipient; raise ``ValueError`` that says what is wrong."""
    if not text.isprintable():
        raise ValueError("the address has control characters in it")
    if len(text.encode()) > _LONGEST:
        raise ValueError(f"the address is longer than {_LONGEST} octets")
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"not a mail address: {text!r}")
    local, domain = match.groups()
    if len(local.encode()) > _LONGEST_LOCAL:
        raise ValueError(f"the part before the @ is longer than {_LONGEST_LOCAL} octets")
    return Address(username=local, domain=domain)


def own_domain(setting: str, text: str) -> str:
    """Read a domain of ours, given by a setting."""
    try:
        domain = recipient(f"bounces@{text}").domain
        domain.encode("ascii")
    except ValueError as error:
        raise BadInput(
            f"{setting} is not a domain that every mail server takes: {text!r}",
            fix="write it like bounces.example.com",
        ) from error
    return domain


def guest_list(setting: str, text: str) -> GuestList:
    """Read addresses and ``@domain``s, separated by commas, given by a setting."""
    entries = [entry.strip().lower() for entry in text.split(",") if entry.strip()]
    for entry in entries:
        try:
            recipient(f"anybody{entry}" if entry.startswith("@") else entry)
        except ValueError as error:
            raise BadInput(
                f"{setting}: {entry!r} is neither a mail address nor a domain",
                fix="write them like ann@example.com, @test.example.com",
            ) from error
    return GuestList(frozenset(entries))


def own(setting: str, text: str) -> Address:
    """Read an address of ours, such as ``Rollout <rollout@example.com>``, given by a setting."""
    try:
        [(name, bare)] = getaddresses([text])
        address = recipient(bare)
        address.addr_spec.encode("ascii")
        return Address(name, address.username, address.domain)
    except ValueError as error:
        raise BadInput(
            f"{setting} is not one mail address that every server takes: {text!r}",
            fix="write it like Rollout <rollout@example.com>",
        ) from error
