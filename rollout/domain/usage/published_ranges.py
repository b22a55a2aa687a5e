"""Whose published range an address lies in. What may be anybody's address is nobody's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Public lists of ranges do contain some of these: documentation, benchmarks, tunnels, translators.
_SPECIAL = tuple(
    ip_network(block)
    for block in (
        *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "192.88.99.0/24"),
        *("100.64.0.0/10", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/23"),
        *("2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16"),
    )
)


def public_address(logged: str) -> Address | None:
    """Return the address of one caller on the public internet; None for whatever else was logged.

    An IPv4 address written as IPv6 is that IPv4 address.

    >>> public_address("::ffff:8.8.8.8")
    IPv4Address('8.8.8.8')
    >>> [public_address(a) for a in ("AWS Internal", "253.252.51.07", "203.0.113.7", "10.0.0.1")]
    [None, None, None, None]
    """
    address = _address(logged)
    return None if address is None or _is_anybodys(address) else address


def is_anybodys_address(logged: str) -> bool:
    """Say whether an address was logged that says nothing of who calls: a private one, say.

    >>> [is_anybodys_address(a) for a in ("10.0.0.1", "8.8.8.8", "183.195.251.hah")]
    [True, False, False]
    """
    address = _address(logged)
    return address is not None and _is_anybodys(address)


def _address(logged: str) -> Address | None:
    try:
        address = ip_address(logged)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def _is_anybodys(address: Address) -> bool:
    return not address.is_global or address.is_multicast or is_special(ip_network(address))


def is_special(network: Network) -> bool:
    """Say whether a range touches space that nobody in particular holds."""
    special = (block for block in _SPECIAL if block.version == network.version)
    return not network.is_global or network.is_multicast or any(map(network.overlaps, special))


class PublishedRanges:
    """Finds the holders of an address, in as many steps as there are sizes of ranges."""

    def __init__(self, ranges: Iterable[tuple[str, Network]]) -> None:
        self._holders: dict[tuple[int, int, int], list[str]] = defaultdict(list)
        for holder, network in ranges:
            shift = network.max_prefixlen - network.prefixlen
            self._holders[network.version, shift, int(network[0]) >> shift].append(holder)
        self._shifts = {
            version: sorted({shift for v, shift, _ in self._holders if v == version})
            for version in (4, 6)
        }

    def holders(self, logged: str) -> set[str]:
        """Return everybody who publishes a range with that address; any text may be asked for."""
        if not self._holders or (address := public_address(logged)) is None:
            return set()
        number, version = int(address), address.version
        found: set[str] = set()
        for shift in self._shifts[version]:
            found.update(self._holders.get((version, shift, number >> shift), ()))
        return found
