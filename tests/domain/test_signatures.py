"""Who is named, by which evidence, and who never is."""

from __future__ import annotations

import pickle
import re
import time
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.user_agents import LABELLED
from rollout.domain.usage import (
    Named,
    Signature,
    SignatureKind,
    Signatures,
    UserAgentKind,
    normalise_user_agent,
)
from rollout.domain.usage.name_patterns import compile_pattern, fault_of_pattern
from rollout.domain.usage.signatures import NAMED_FROM

RANGES = LABELLED.parent / "ip-ranges"
ACME = Signature(
    name="Acme",
    user_agents=("^Acme", "AcmeBot"),
    clients=("acme-app",),
    networks=(ip_network("66.249.64.0/19"),),
)
BIRCH = Signature(name="Birch", user_agents=("Birch",), networks=(ip_network("8.8.8.0/24"),))
CEDAR = Signature(name="Cedar", networks=(ip_network("9.9.9.0/24"),), exclusive=True)
GUESSED = Signature(name="Dogwood", user_agents=("Dogwood",), verified=False)
BIRCH_LIBRARY = Signature(
    name="birch-java",
    kind=SignatureKind.LIBRARY,
    user_agents=("^Birch Java", "^BirchKit"),
    publisher="Birch",
)
CURL = Signature(name="curl", kind=SignatureKind.LIBRARY, user_agents=("^curl",))
ALL = Signatures([ACME, BIRCH, CEDAR, GUESSED, BIRCH_LIBRARY, CURL])


def name(user_agent: str, network: str = "", client: str = "") -> str | None:
    named = ALL.identify(user_agent, network, client)
    return named.name if named else None


# Evidence


def test_a_vendor_is_named_by_its_user_agent_and_the_reason_is_given() -> None:
    assert ALL.identify("Acme/3.1 (sync)", "203.0.113.7", "") == Named(
        "Acme", 0.9, ("the user agent names it",)
    )


def test_a_range_makes_a_name_surer() -> None:
    assert ALL.identify("Acme/3.1", "66.249.73.135", "") == Named(
        "Acme", 0.93, ("the user agent names it", "the address is in a range that it publishes")
    )


def test_a_client_names_a_vendor_whose_user_agent_is_a_library() -> None:
    assert ALL.identify("curl/8.5.0", "10.0.0.1", "acme-app") == Named(
        "Acme", 0.8, ("the client names it",)
    )


def test_a_pattern_that_nobody_checked_counts_less() -> None:
    named = ALL.identify("Dogwood/1.0", "", "")

    assert named is not None
    assert NAMED_FROM <= named.confidence < 0.9
    assert "not in a form that was seen" in named.reasons[0]


def test_an_address_alone_names_only_a_vendor_that_shares_it_with_nobody() -> None:
    assert name("some-sync/1.0", "8.8.8.8") is None
    assert [one.name for one in ALL.candidates("some-sync/1.0", "8.8.8.8")] == ["Birch"]
    assert name("some-sync/1.0", "9.9.9.9") == "Cedar"


def test_two_names_in_one_user_agent_are_no_name_until_something_else_decides() -> None:
    assert name("Acme Birch") is None
    assert name("Acme Birch", "8.8.8.8") is None  # hardly more than for the other
    assert name("Dogwood Birch") == "Birch"  # the other is only guessed at
    assert name("Acme Birch", "", "acme-app") == "Acme"
    assert name("Birch/1.0", "", "acme-app") is None  # one thing says this, another that


# Libraries


def test_a_library_never_names_anybody_but_is_known() -> None:
    assert name("curl/8.5.0", "66.249.73.135") is None
    assert ALL.library("curl/8.5.0") == CURL
    assert ALL.library("Acme/3.1") is None


def test_a_vendors_word_inside_the_name_of_a_library_is_not_the_vendor() -> None:
    assert name("Birch/2.0 Java/17") is None
    assert ALL.library("Birch/2.0 Java/17") == BIRCH_LIBRARY


def test_a_vendors_own_library_inside_another_product_is_that_product() -> None:
    embedded = ALL.identify("BirchKit/0.47; Java/1.8", "66.249.73.135", "")

    assert embedded is not None
    assert embedded.name == "Acme"
    assert embedded.confidence < 0.9
    assert embedded.reasons == (
        "the user agent is birch-java, which others build in",
        "the address is in a range that it publishes",
    )
    assert name("BirchKit/0.47; Java/1.8", "", "acme-app") == "Acme"
    assert name("BirchKit/0.47; Java/1.8 AcmeBot", "8.8.8.8") == "Acme"


def test_a_vendors_own_library_from_its_own_range_is_no_evidence_of_others() -> None:
    assert name("BirchKit/0.47; Java/1.8", "8.8.8.8") is None


def test_a_file_can_say_that_what_looks_like_a_product_is_a_library() -> None:
    own = Signatures([Signature(name="ours", kind=SignatureKind.LIBRARY, user_agents=("^Ourkit",))])

    assert ALL.kind_of("Ourkit/1.0") is UserAgentKind.PRODUCT
    assert own.kind_of("Ourkit/1.0") is UserAgentKind.LIBRARY


# Never


@pytest.mark.parametrize("address", ["66.249.73.135", "9.9.9.9", "", "AWS Internal"])
def test_a_browser_is_never_named_by_what_it_says_or_where_it_is(address: str) -> None:
    browser = "Mozilla/5.0 (X11; Birch) AppleWebKit/537.36 Chrome/120.0 Safari/537.36 Birch/2"

    assert name(browser, address) is None
    assert name(browser, address, "acme-app") == "Acme"  # what it was registered as


@pytest.mark.parametrize(
    "address",
    [
        *("192.0.2.1", "198.51.100.1", "203.0.113.7", "10.0.0.1", "127.0.0.1", "169.254.1.1"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "2001:db8::1", "2001:2::1"),  # noqa: S104
        *("2001:10::1", "2002:808:808::1", "::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1"),
        *("64:ff9b::808:808", "AWS Internal", "253.252.51.07", "8.8.8.8.8", "host.example", "8"),
        *("8.8.8.0/24", "[::1]", "\0", "8.8.8.8\n", "٨.٨.٨.٨"),
    ],
)
def test_what_may_be_anybodys_address_or_is_none_is_never_attributed(address: str) -> None:
    everywhere = Signatures(
        [
            Signature(name="4", networks=(ip_network("0.0.0.0/0"),), exclusive=True),
            Signature(name="6", networks=(ip_network("::/0"),), exclusive=True),
        ]
    )

    assert everywhere.candidates("some-sync/1.0", address) == []
    assert everywhere.identify("some-sync/1.0", "8.8.4.4", "") is not None


def test_an_ipv4_address_written_as_ipv6_is_the_same_address() -> None:
    assert name("some-sync/1.0", "::ffff:9.9.9.9") == "Cedar"


@given(st.text(), st.text(), st.text())
def test_no_text_makes_it_fail(user_agent: str, network: str, client: str) -> None:
    ALL.identify(user_agent, network, client)


@pytest.mark.skipif(not RANGES.exists(), reason="the data pack is not beside this checkout")
@pytest.mark.parametrize(
    ("address", "holders"),
    [
        ("66.249.73.135", {"google"}),
        ("4.151.71.176", {"github", "microsoft", "openai"}),
        ("4.147.189.192", {"github", "microsoft"}),
        ("52.0.228.224", {"amazon", "github"}),
        ("2406:da14:48a:7b03::4049", {"amazon", "pingdom"}),
        ("103.21.244.0", {"cloudflare"}),
        *((address, set()) for address in ("1.1.1.1", "10.0.0.1", "203.0.113.7", "2001:db8::1")),
    ],
)
def test_published_ranges_are_looked_up_but_special_space_is_nobodys(
    address: str, holders: set[str]
) -> None:
    networks: dict[str, list[str]] = {}
    for path in RANGES.glob("*.v?.txt"):
        networks.setdefault(path.name.split(".")[0], []).extend(path.read_text().split())
    published = Signatures(
        Signature(name=vendor, networks=tuple(map(ip_network, ranges)))
        for vendor, ranges in networks.items()
    )

    assert len(networks) == 15
    assert {one.name for one in published.candidates("some-sync/1.0", address)} == holders


# Patterns


@pytest.mark.parametrize(
    ("pattern", "found", "not_found"),
    [
        (
            "Zapier",
            ["Zapier", "x (Zapier)", "Zapier-Platform"],
            ["Zapierian", "zapier", "MyZapier"],
        ),
        ("^Make/*", ["Make/production", "Make/x y"], ["CMake/production", "a Make/x", "Make x"]),
        ("^GitLab$", ["GitLab"], ["GitLab Runner", "a GitLab"]),
        ("Stripe *Bindings", ["Stripe PythonBindings"], ["Stripe a Bindings", "Stripe BindingsX"]),
        ("(+https://a.example*", ["x (+https://a.example/b)"], ["x (+https://b.example)"]),
        ("a.b", ["a.b c"], ["a-b"]),
    ],
)
def test_a_pattern_is_text_between_words_with_wildcards_within_a_word(
    pattern: str, found: list[str], not_found: list[str]
) -> None:
    search = compile_pattern(pattern).search

    assert all(map(search, found))
    assert not any(map(search, not_found))


@pytest.mark.parametrize(
    "pattern",
    [
        *("", "ab", "*abc", "a*bc", "a**bcd", "a*b*c*d*e", "abc^d", "a$bcd", "é" * 5, "abc\n"),
        *("x" * 101, "Acme/1.0", "^Acme/2.1", "Acme;", "^", "$", "^*$", "***"),
    ],
)
def test_a_pattern_that_finds_everything_or_nothing_is_refused(pattern: str) -> None:
    assert fault_of_pattern(pattern)


@given(st.text(alphabet="abA1 .*^$(/-+", max_size=30), st.text(alphabet="abA1 .(/-+", max_size=200))
def test_whatever_is_accepted_compiles_and_is_looked_up_where_it_matches(
    pattern: str, user_agent: str
) -> None:
    if fault_of_pattern(pattern):
        return
    library = Signature(name="x", kind=SignatureKind.LIBRARY, user_agents=(pattern,))
    matches = compile_pattern(pattern).search(normalise_user_agent(user_agent))

    assert (Signatures([library]).library(user_agent) == library) == (matches is not None)


@pytest.mark.parametrize("unit", ["abc", "abc ", "a", "abc/", "abca"])
def test_no_pattern_is_slow_whatever_is_searched(unit: str) -> None:
    pattern = "abc*abc*abc*abd"
    assert fault_of_pattern(pattern) is None
    search = compile_pattern(pattern).search
    began = time.process_time()
    search(unit * (1000 // len(unit)))

    assert time.process_time() - began < 0.1


# The collection


def test_a_later_signature_replaces_an_earlier_one_of_the_same_name() -> None:
    own = Signatures([*ALL, Signature(name="Acme", user_agents=("^Other",))])

    assert len(own) == len(ALL)
    assert own.identify("Acme/3.1", "", "") is None
    assert own.identify("Other/1", "", "").name == "Acme"  # type: ignore[union-attr]


def test_the_digest_changes_with_the_signatures_and_with_nothing_else() -> None:
    again = Signatures(reversed(list(ALL)))
    other = Signatures([*ALL, Signature(name="Acme", user_agents=("^Acme",))])

    assert ALL.digest == again.digest != other.digest
    assert len(ALL.digest) == 32


def test_signatures_travel_to_another_process() -> None:
    copy = pickle.loads(pickle.dumps(ALL))  # noqa: S301 - our own

    assert copy.digest == ALL.digest
    assert copy.identify("Acme/3.1", "", "") == ALL.identify("Acme/3.1", "", "")


def test_reasons_are_short_sentences() -> None:
    for one in ALL.candidates("BirchKit/1 AcmeBot Dogwood", "66.249.73.135", "acme-app"):
        assert all(re.fullmatch(r"the [^.]{10,70}[^.]", reason) for reason in one.reasons)
