"""One signature of a file, field by field. Every fault says what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

from rollout.adapters.yaml_file.document import Value, shown
from rollout.adapters.yaml_file.fields import https_url, one_of, text, url, yes_or_no
from rollout.adapters.yaml_file.shape import Field, Shape, list_of, read_fields
from rollout.domain.usage.name_patterns import fault_of_pattern
from rollout.domain.usage.published_ranges import Network, is_special
from rollout.domain.usage.signatures import Signature, SignatureKind

MOST_PATTERNS = 50
MOST_NETWORKS = 5000
LONGEST_EXAMPLE = 1000  # characters


@dataclass(frozen=True, slots=True)
class Entry:
    """A signature, and the user agents by which it says it is known."""

    signature: Signature
    examples: tuple[str, ...]
    at: Value


def entry(value: Value) -> Entry:
    """Read one signature."""
    fields = read_fields(value, ENTRY)
    examples = fields.pop("examples")
    if not (fields["user_agents"] or fields["clients"] or fields["networks"]):
        raise value.unusable("one of `user_agents`, `clients` and `networks` is needed")
    if fields["user_agents"] and not examples:
        raise value.unusable("`examples` are needed: user agents, as logged, that it must match")
    return Entry(Signature(**fields), examples, value)


def _pattern(value: Value) -> str:
    pattern = text(value)
    if fault := fault_of_pattern(pattern):
        raise value.unusable(f"`{shown(pattern)}`: {fault}")
    return pattern


def _network(value: Value) -> Network:
    word = value.scalar("a network such as 198.51.100.0/24")
    try:
        network = ip_network(word)
    except ValueError as error:
        raise value.unusable(f"`{shown(word)}` is no network: {shown(str(error))}") from None
    if is_special(network):
        raise value.unusable(f"`{word}` is nobody's: private, reserved, or for documentation")
    return network


def _example(value: Value) -> str:
    user_agent = value.scalar("a user agent as it is logged")
    if not user_agent.strip() or len(user_agent) > LONGEST_EXAMPLE:
        raise value.unusable(f"a user agent of 1 to {LONGEST_EXAMPLE} characters is expected")
    return user_agent


ENTRY: Shape = {
    "name": Field(text),
    "kind": Field(one_of({kind.value: kind for kind in SignatureKind}), SignatureKind.VENDOR),
    "home_page": Field(url, ""),
    "migration_url": Field(https_url, ""),
    "contact": Field(text, ""),
    "publisher": Field(text, ""),
    "user_agents": Field(list_of(_pattern, most=MOST_PATTERNS), ()),
    "clients": Field(list_of(_pattern, most=MOST_PATTERNS), ()),
    "networks": Field(list_of(_network, most=MOST_NETWORKS), ()),
    "exclusive": Field(yes_or_no, default=False),
    "verified": Field(yes_or_no, default=True),
    "examples": Field(list_of(_example, most=MOST_PATTERNS), ()),
}
