"""Which URLs may be called, and which servers are never reached through them (SSRF)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from rollout.domain.errors import BadInput, Refused

LONGEST = 2_000  # characters of a URL
HIGHEST_PORT = 65_535
LOOPBACK = "127.0.0.1"

# No user name, which would be a secret in the wrong place; no fragment, which is never sent.
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])"
    r"(?::(?P<port>[1-9]\d{0,4}))?(?P<target>[/?][!-~]*)?",
    re.ASCII | re.IGNORECASE,
)
_NEVER = re.compile(r"[#\\<>\"^`{|}]")
_PORTS = {"https": 443, "http": 80}
_SHOWN = 4  # characters of a path that are shown, so that one can tell two apart
_LONG = 16  # characters from which on that gives nothing away
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052, section 2.1


@dataclass(frozen=True, slots=True)
class Address:
    """A URL that may be called, taken apart. What stands behind the host may be a secret."""

    scheme: str
    host: str  # in small letters, without brackets
    port: int
    target: str = field(repr=False)  # path and query

    @property
    def authority(self) -> str:
        """Host and port, as a ``Host`` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole of it, always written the same way."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def hint(self) -> str:
        """What may be shown: the server, and the last characters of a long path."""
        end = self.target[-_SHOWN:] if len(self.target) >= _LONG else ""
        return f"{self.scheme}://{self.authority}/…{end}"


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be called: servers in public, and the private ones that are named.

    ``trying_out``: also this machine, where it is named ``127.0.0.1``, and without TLS.
    """

    private_hosts: frozenset[str] = frozenset()
    trying_out: bool = False

    def read(self, url: str) -> Address:
        """Take a URL apart; raise ``BadInput`` or ``Refused``, which do not repeat it."""
        match = _URL.fullmatch(url)
        port = int(match["port"] or 0) if match else 0
        if match is None or _NEVER.search(url) or len(url) > LONGEST or port > HIGHEST_PORT:
            raise BadInput(
                "this is not the address of a webhook: a whole URL, in ASCII, without a user name"
                " and without a #",
                fix="write it like https://example.com/hooks/rollout",
            )
        scheme, host = match["scheme"].lower(), match["host"].lower().strip("[]")
        if scheme == "http" and not self._is_here(host):
            raise Refused(
                "an http webhook can be read and forged by everybody on the way",
                fix=f"give an https address; http is for trying out on {LOOPBACK} only, and not in"
                " production",
            )
        self._require_public(host)
        target = match["target"] or "/"
        target = target if target.startswith("/") else f"/{target}"
        return Address(scheme, host, port or _PORTS[scheme], target)

    def permits(self, host: str, ip: str) -> bool:
        """Say whether a host may be called at the IP address that its name has led to."""
        if host in self.private_hosts or (ip == LOOPBACK and self._is_here(host)):
            return True
        return all(each.is_global and not each.is_multicast for each in _meant(ip))

    def _is_here(self, host: str) -> bool:
        return self.trying_out and host == LOOPBACK

    def _require_public(self, host: str) -> None:
        """Refuse at once what will never be reached; of a name, only its resolution tells."""
        try:
            ip_address(host)
        except ValueError:
            return
        if not self.permits(host, host):
            raise Refused(
                f"{host} is no public address: nobody must reach our own network through us",
                fix="if that is meant, name it in ROLLOUT_WEBHOOK_PRIVATE_HOSTS",
            )


def _meant(ip: str) -> Iterator[IPv4Address | IPv6Address]:
    """Yield an address, and the IPv4 address that it carries, if any: that is who is reached."""
    address = ip_address(ip.partition("%")[0])
    if isinstance(address, IPv4Address):
        yield address
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
        return
    yield address
    if address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    for carried in (address.sixtofour, *(address.teredo or ())):
        if carried is not None:
            yield carried
