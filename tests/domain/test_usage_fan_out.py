"""Who is a third party, going by whose keys they use."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.usage.fan_out import (
    NAMING,
    Fingerprint,
    Inference,
    NetworkFingerprint,
    has_own_name,
    infer,
    infer_network,
)

FIRST = datetime(2024, 7, 30, 21, 31, 10, tzinfo=UTC)
LAST = datetime(2024, 11, 26, 15, 35, 23, tzinfo=UTC)


def program(
    user_agent: str = "AcmeSync",
    kind: str = "product",
    accounts: int = 34,
    networks: int = 34,
    busiest: int = 1,
    active_days: int = 7,
) -> Fingerprint:
    keys = accounts + 4
    return Fingerprint(
        user_agent, kind, accounts, keys, networks, busiest, active_days, FIRST, LAST
    )


def network(
    user_agent: str = "python-requests",
    kind: str = "library",
    accounts: int = 40,
    returning: int = 38,
    programs: int = 1,
    address: str = "52.89.7.7",
) -> NetworkFingerprint:
    seen = (address, programs, user_agent, kind, accounts, returning, accounts + 4)
    return NetworkFingerprint(*seen, FIRST, LAST)


def found(inference: Inference | None) -> Inference:
    assert inference is not None
    return inference


def test_the_program_behind_34_accounts_is_found_though_each_runs_it_at_home() -> None:
    """The figures of shared/data/cloudtrail-stratus."""
    stratus = found(infer(program("stratus-red-team")))

    assert stratus.may_name
    assert stratus == Inference(
        0.79,
        (
            "it uses 38 keys of 34 unrelated accounts",
            "its user agent 'stratus-red-team' is the name of a product",
            (
                "it calls from 34 networks, from none of them for more than 1 account:"
                " it runs where its users are"
            ),
            "it was at work on 7 days from 2024-07-30 to 2024-11-26",
        ),
    )


def test_a_vendor_that_calls_from_servers_of_its_own_is_surer() -> None:
    at_home = found(infer(program(accounts=12, networks=12)))
    hosted = found(infer(program(accounts=12, networks=3, busiest=11)))

    assert hosted.confidence > at_home.confidence
    assert (
        "11 of these accounts are called for from one network, of 3: servers of its own"
        in hosted.reasons
    )


def test_a_part_of_the_accounts_behind_one_office_are_no_servers() -> None:
    assert infer(program(busiest=5)) == Inference(
        found(infer(program())).confidence,
        (
            *found(infer(program())).reasons[:2],
            (
                "it calls from 34 networks, from none of them for more than 5 accounts:"
                " it runs where its users are"
            ),
            found(infer(program())).reasons[3],
        ),
    )


@pytest.mark.parametrize("kind", ["browser", "library", "none"])
@pytest.mark.parametrize(("networks", "busiest"), [(300, 1), (1, 300), (30, 25)])
def test_a_program_without_a_name_of_its_own_is_never_one_party_across_networks(
    kind: str, networks: int, busiest: int
) -> None:
    agent = "python-requests"

    assert infer(program(agent, kind, accounts=300, networks=networks, busiest=busiest)) is None


def test_two_accounts_are_no_crowd() -> None:
    assert infer(program(accounts=2, networks=1, busiest=2, active_days=300)) is None


def test_three_accounts_make_a_candidate_and_a_name_only_from_servers_of_its_own() -> None:
    assert not found(infer(program(accounts=3, networks=3, active_days=300))).may_name
    assert found(infer(program(accounts=3, networks=1, busiest=3, active_days=300))).may_name


@pytest.mark.parametrize(
    ("user_agent", "own"),
    [
        ("stratus-red-team", True),
        ("Zapier", True),
        ("n8n-integration", False),
        ("Mein Wetter", True),
        ("my-app", False),
        ("test_client (production)", False),
        ("-", False),
        ("", False),
        ("x" * 1_000_000, True),
    ],
)
def test_a_name_that_anybody_would_give_is_no_name_of_its_own(user_agent: str, own: bool) -> None:  # noqa: FBT001
    assert has_own_name(user_agent) is own
    assert (infer(program(user_agent)) is not None) is own


def test_one_network_with_one_nameless_program_and_many_accounts_is_a_candidate() -> None:
    seen = network()
    candidate = found(infer_network(seen))

    assert not candidate.may_name
    assert seen.candidate == "python-requests from 52.89.7.7"
    assert candidate.reasons == (
        "it uses 44 keys of 40 unrelated accounts",
        (
            "all of it comes from the network '52.89.7.7', which shows 'python-requests' and"
            " nothing else: an office would show many programs"
        ),
        (
            "it came back for 38 of these accounts on another day, from 2024-07-30 to 2024-11-26:"
            " who shares an address with strangers seldom does"
        ),
        "it gives itself no name of its own, so this is a candidate only",
    )


@pytest.mark.parametrize(
    ("seen", "candidate"),
    [
        (network("-", "none"), "no user agent from 52.89.7.7"),
        (network("-", "none", address="183.195.251.hah"), "no user agent from 183.195.251.hah"),
        (network("my-app", "product"), "my-app from 52.89.7.7"),
        (network(address="10.0.0.7"), "python-requests from 10.0.0.7"),
    ],
)
def test_a_candidate_is_called_by_its_program_and_its_network(
    seen: NetworkFingerprint, candidate: str
) -> None:
    assert infer_network(seen) is not None
    assert seen.candidate == candidate


@pytest.mark.parametrize(
    "seen",
    [
        network(programs=2),  # an office, or a range that many share
        network(accounts=400, returning=38),  # build machines: others call from there every day
        network(accounts=10, returning=9),
        network("Mozilla Firefox", "browser"),
        network("AcmeSync", "product"),  # found by its name, over all networks
        network(address=""),  # of a log that does not say from where
        network("-", "none", address="10.0.0.7"),  # nor by whom: a machine of our own passed it on
    ],
)
def test_other_networks_are_no_candidates(seen: NetworkFingerprint) -> None:
    assert infer_network(seen) is None


def test_who_comes_back_for_more_of_its_accounts_is_surer() -> None:
    confidence = [
        found(infer_network(network(accounts=accounts, returning=returning))).confidence
        for accounts, returning in ((20, 10), (10, 10), (40, 30), (40, 40), (100, 100))
    ]

    assert confidence == sorted(confidence)
    assert confidence[-1] == 0.5


def test_what_a_stranger_wrote_is_shown_short_and_harmless() -> None:
    hostile = "\x1b[31mEvil\u202e" + "x" * 1_000_000

    inference = found(infer(program(hostile)))

    assert all(reason.isascii() and reason.isprintable() for reason in inference.reasons)
    assert all(len(reason) < 300 for reason in inference.reasons)


sizes = st.integers(0, 5_000)


@given(sizes, sizes, sizes, sizes, sizes)
def test_confidence_is_a_part_of_one_and_grows_with_the_evidence(
    accounts: int, networks: int, busiest: int, active_days: int, more: int
) -> None:
    def confidence(accounts: int, busiest: int, active_days: int) -> float:
        seen = program("AcmeSync", "product", accounts, networks, busiest, active_days)
        inference = infer(seen)
        return inference.confidence if inference else 0.0

    busiest = min(busiest, accounts)
    least = confidence(accounts, busiest, active_days)

    assert 0 <= least <= 1
    assert confidence(accounts + more, busiest + more, active_days) >= least
    assert confidence(accounts, busiest, active_days + more) >= least


@given(st.sampled_from(["library", "none"]), sizes, sizes)
def test_no_nameless_program_is_ever_sure_enough_for_a_name(
    kind: str, accounts: int, returning: int
) -> None:
    seen = network(kind=kind, accounts=accounts, returning=min(returning, accounts))
    inference = infer_network(seen)

    assert inference is None or 0 < inference.confidence < NAMING
