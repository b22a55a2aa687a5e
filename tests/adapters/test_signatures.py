"""The signatures that ship, against other people's labels; and an operator's own file."""

from __future__ import annotations

import gzip
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.user_agents import LABELLED, crawlers, parser_tests, wrongly_named
from rollout.adapters.signatures import load_signatures
from rollout.adapters.signatures.load import faulty_examples, shipped_entries
from rollout.adapters.yaml_file.document import MAX_BYTES
from rollout.cli.demo.traffic import INTEGRATIONS, OWN_CODE
from rollout.domain.errors import BadInput, BadRows
from rollout.domain.usage import SignatureKind, UserAgentKind
from tests.support.feed_readers import FEED_READERS

DATA = LABELLED.parent
with_data = pytest.mark.skipif(
    not DATA.exists(), reason="the data pack is not beside this checkout"
)
SHIPPED = load_signatures()

OTHER_CLIENTS = {
    "Chef": (61, 2),
    "Embedly": (8, 4),
    "portscout": (7, 3),
    "Twitter": (28, 6),
    "Facebook": (14, 13),
}
LIBRARIES = {"Wget": (6, 4), "curl": (1, 1), "python-requests": (1, 1), "Python-urllib": (4, 1)}

OWN = """\
category: partners
signatures:
  - name: Acme
    home_page: https://acme.example
    migration_url: https://acme.example/oauth
    user_agents: ["^Acme-Sync"]
    clients: ["acme-app"]
    networks: [8.8.8.0/24]
    exclusive: true
    examples: ["Acme-Sync/2.1 (linux)"]
  - name: Zapier
    user_agents: ["^OurZapierProxy"]
    examples: ["OurZapierProxy/1"]
"""


def calls(log: str) -> Iterator[tuple[str, str]]:
    """Yield address and user agent of each line; one line has no closing quote."""
    with gzip.open(DATA / log / "access.log.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield line.split(" ", 1)[0], line.rstrip("\n").split('"')[5]


def own_file(folder: Path, text: str) -> Path:
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(BadRows) as refusal:
        load_signatures(own_file(folder, text))
    prefix = f"{folder / 'own.yaml'}:"
    assert all(row.startswith(prefix) for row in refusal.value.rows)
    assert refusal.value.fix
    return [row.removeprefix(prefix) for row in refusal.value.rows]


# What ships


def test_sixty_vendors_and_twenty_five_libraries_ship() -> None:
    kinds = Counter(signature.kind for signature in SHIPPED)

    assert kinds[SignatureKind.VENDOR] >= 60
    assert kinds[SignatureKind.LIBRARY] >= 25
    assert all(signature.home_page and signature.category for signature in SHIPPED)


def test_every_example_that_ships_is_found_by_its_own_signature_alone() -> None:
    entries = shipped_entries()

    assert all(one.examples for one in entries)
    assert list(faulty_examples(entries, SHIPPED)) == []


def test_every_name_ships_once() -> None:
    assert len(shipped_entries()) == len(SHIPPED)


def test_no_library_that_ships_may_be_inferred_as_a_third_party() -> None:
    wrong = [
        example
        for one in shipped_entries()
        for example in one.examples
        if one.signature.kind is SignatureKind.LIBRARY
        and SHIPPED.kind_of(example) is not UserAgentKind.LIBRARY
    ]

    assert wrong == []


@pytest.mark.parametrize(("name", "user_agent"), INTEGRATIONS)
def test_the_integrations_of_the_demo_are_named(name: str, user_agent: str) -> None:
    named = SHIPPED.identify(user_agent, "203.0.113.7", "")

    assert named is not None
    assert named.name == name


@pytest.mark.parametrize("user_agent", OWN_CODE)
def test_own_code_is_not_named(user_agent: str) -> None:
    assert SHIPPED.candidates(user_agent, "203.0.113.7") == []
    assert SHIPPED.kind_of(user_agent) is UserAgentKind.LIBRARY


def test_recurlys_library_names_neither_recurly_nor_its_author() -> None:
    killbill = "KillBill/0.47.3; Java/1.8.0_292"

    assert SHIPPED.identify(killbill, "", "") is None
    assert SHIPPED.library(killbill).publisher == "Recurly"  # type: ignore[union-attr]
    assert SHIPPED.identify(f"{killbill} Fivetran/2.4", "", "") is None  # the pattern is anchored
    assert SHIPPED.identify("Fivetran/2.4 KillBill/0.47", "", "").name == "Fivetran"  # type: ignore[union-attr]


# Other people's labels


@with_data
@pytest.mark.parametrize("labelled", [crawlers, parser_tests])
def test_no_labelled_user_agent_gets_a_wrong_name(labelled: type) -> None:
    cases = list(labelled())

    assert len(cases) > 1600
    assert wrongly_named(cases, SHIPPED) == []
    assert sum(SHIPPED.identify(one.user_agent) is not None for one in cases) >= 12


@with_data
@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        *((r"Zapier", "Zapier"), (r"Integromat\/", "Make"), (r"IFTTT\/", "IFTTT")),
        *((r"TwilioProxy\/", "Twilio"), (r"Recurly Webhooks\/", "Recurly")),
        *((r"SendGrid Event API", "SendGrid"), (r"Svix-Webhooks\/", "Svix")),
        *((r"Zendesk Webhook", "Zendesk"), (r"Bitbucket-Webhooks", "Bitbucket")),
        *((r"Stripe\/", "Stripe"), (r"HubSpot", "HubSpot")),
    ],
)
def test_the_vendors_of_the_list_are_all_named(pattern: str, name: str) -> None:
    listed = [one for one in crawlers() if one.label.startswith(f"{pattern} ")]
    named = {getattr(SHIPPED.identify(one.user_agent), "name", None) for one in listed}

    assert listed
    assert named == {name}


@with_data
def test_the_feed_readers_of_a_real_log_have_their_requests_and_addresses() -> None:
    requests: Counter[str] = Counter()
    addresses = defaultdict(set)
    for address, user_agent in calls("access-elastic"):
        named = SHIPPED.identify(user_agent, address)
        if found := named or SHIPPED.library(user_agent):
            requests[found.name] += 1
            addresses[found.name].add(address)
    counted = {name: (requests[name], len(addresses[name])) for name in requests}

    assert counted.items() >= (FEED_READERS | OTHER_CLIENTS | LIBRARIES).items()
    assert sum(requests[name] for name in FEED_READERS) == 903
    assert len(set().union(*(addresses[name] for name in FEED_READERS))) == 84


@with_data
def test_nobody_is_named_in_a_log_of_bots_that_pose_as_browsers() -> None:
    logged = list(calls("access-hackers"))

    assert len(logged) == 3456
    assert {SHIPPED.identify(user_agent, address) for address, user_agent in logged} == {None}


# An operator's own file


def test_an_own_file_adds_and_replaces_by_name(tmp_path: Path) -> None:
    signatures = load_signatures(own_file(tmp_path, OWN))
    acme = signatures.get("Acme")

    assert acme is not None
    assert (acme.category, acme.exclusive) == ("partners", True)
    assert acme.migration_url == "https://acme.example/oauth"
    assert len(signatures) == len(SHIPPED) + 1
    assert signatures.identify("some-sync/1", "8.8.8.8").name == "Acme"  # type: ignore[union-attr]
    assert signatures.identify("Zapier") is None
    assert signatures.identify("OurZapierProxy/2").name == "Zapier"  # type: ignore[union-attr]
    assert signatures.digest != SHIPPED.digest == load_signatures().digest


def test_every_fault_is_named_with_its_line_and_what_to_write(tmp_path: Path) -> None:
    text = """\
category: partners
signatures:
  - name: Acme
    user_agent: ["^Acme"]
    kind: vendr
  - name: Birch
    user_agents: ["(a+)+$", "Birch/1.0", "*"]
    networks: [10.0.0.0/8, 8.8.8.8/24]
    exclusive: "yes"
  - name: Cedar
    user_agents: ["Cedar"]
  - name: Dogwood
  - name: Acme
  - name: Elder
    migration_url: http://elder.example
    networks: [8.8.8.0/24]
"""

    rows = faults(tmp_path, text)

    assert [int(row.split(":")[0]) for row in rows] == sorted(int(r.split(":")[0]) for r in rows)
    for line, part in [
        (4, "unknown name; did you mean `user_agents`?"),
        (5, "unknown word `vendr`; did you mean `vendor`?"),
        (7, "write `Birch`"),
        (7, "at least 3 letters or digits are needed"),
        (8, "`10.0.0.0/8` is nobody's"),
        (8, "has host bits set"),
        (9, "write true or false without quotes"),
        (10, "`examples` are needed"),
        (12, "one of `user_agents`, `clients` and `networks` is needed"),
        (15, "`http://elder.example` is no https:// address"),
        (13, "`Acme` is named twice, first in line 3"),
    ]:
        assert any(row.startswith(f"{line}: ") and part in row for row in rows), (line, part, rows)


@pytest.mark.parametrize(
    ("user_agents", "example", "part"),
    [
        ("^Acme", "acme/1", "found: nothing"),
        ("Zapier", "Zapier", "found: `Acme`, `Zapier`"),
        ("^Acme", "Mozilla/5.0 (X11) Gecko/20100101 Firefox/35.0", "found: nothing"),
    ],
)
def test_an_example_that_leads_elsewhere_is_refused(
    tmp_path: Path, user_agents: str, example: str, part: str
) -> None:
    fields = f'name: Acme, user_agents: ["{user_agents}"], examples: ["{example}"]'

    [row] = faults(tmp_path, f"signatures: [{{{fields}}}]")

    assert part in row


@pytest.mark.parametrize(
    "hostile",
    [
        'signatures: [{name: a, user_agents: ["' + "(a*)*" * 20 + '"], examples: ["a"]}]',
        'signatures: [{name: a, user_agents: ["' + "abc*" * 25 + '"], examples: ["a"]}]',
        "signatures: [{name: a, clients: [" + "abc," * 60 + "]}]",
        "signatures: [&a {name: x}, *a]",
        "signatures: !!python/object/apply:os.system [true]",
        "[" * 10_000,
        "",
        "x" * (MAX_BYTES + 1),
        "signatures: []",
        "a: b\0c",
    ],
)
def test_a_hostile_file_is_refused_quickly(tmp_path: Path, hostile: str) -> None:
    began = time.process_time()

    assert faults(tmp_path, hostile)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "own.yaml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(BadInput, match=r"own\.yaml cannot be read") as refusal:
        load_signatures(path)
    assert refusal.value.fix == "name a readable text file in UTF-8"
