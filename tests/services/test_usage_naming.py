"""Who calls, by name: known by signature, found by fan-out, decided by people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Engine

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.deprecation_file import read_deprecation
from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.files import LogFile
from rollout.adapters.feeds.reading import Piece
from rollout.adapters.holidays import holiday_finder
from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.mail.template_check import sample_contexts
from rollout.adapters.resources import templates_dir
from rollout.adapters.signatures import load_signatures
from rollout.domain.errors import BadInput, Conflict, NotFound
from rollout.services.plan.drafting import PlanDrafts
from rollout.services.plan.wording import Wording
from rollout.services.usage import CallerNaming, UsageImport, UsageService
from rollout.services.usage.questions import UsageQuestions
from tests.support.cast import PLAN
from tests.support.database import rows, run, set_clock

NOW = datetime(2024, 12, 1, tzinfo=UTC)
signatures = cache(load_signatures)
OWN = """
category: partners
signatures:
  - {name: Initech, user_agents: ["^Initech-Poller"], examples: ["Initech-Poller/3.1"]}
"""


@pytest.fixture
def naming(start: Callable[[], SqlUnitOfWork], engine: Engine) -> CallerNaming:
    set_clock(engine, NOW)
    return CallerNaming(start, signatures)


@pytest.fixture
def call(start: Callable[[], SqlUnitOfWork], naming: CallerNaming) -> Callable[..., None]:
    """Let keys be used: each (account, user agent, address, days ago); then name the callers."""
    importing = UsageImport(start)

    def log(*calls: tuple[str, str, str, int]) -> None:
        lines = []
        for account, agent, address, days in calls:
            at = NOW - timedelta(days=days, hours=1)
            lines.append(
                f"{address} - key-{account} [{at:%d/%b/%Y:%H:%M:%S} +0000]"
                f' "GET / HTTP/1.1" 200 5 "-" "{agent}"\n'
            )
        piece = Piece("log", "".join(lines).encode())
        importing.import_log(piece, FEEDS[LogFormat.COMBINED], feed="web", operator="olga")
        naming.name_all()

    return log


def register(engine: Engine, accounts: list[str], domain: str | None = None) -> None:
    for account in accounts:
        run(engine, "INSERT INTO accounts VALUES (:a, :a, 'UTC', 'en', 'free')", a=account)
        run(
            engine,
            "INSERT INTO contacts (account_id, email, name, role) VALUES (:a, :mail, '', 'admin')",
            a=account,
            mail=f"ops@{domain or account + '.example'}",
        )
        run(
            engine,
            "INSERT INTO keys (key_id, account_id, kind, label, hint)"
            " VALUES ('key-' || :a, :a, 'rest', '', '')",
            a=account,
        )


def integrations(engine: Engine) -> dict[str, tuple[str, int, int, int, int]]:
    columns = "integration, kind, accounts, keys, networks, count"
    found = rows(engine, f"SELECT {columns} FROM integrations")
    return {name: tuple(rest) for name, *rest in found}


MANY = [f"a{n:02}" for n in range(20)]


def test_a_signature_names_a_caller_however_few_accounts_it_serves(
    engine: Engine, call: Callable[..., None]
) -> None:
    register(engine, ["acme"])

    call(("acme", "Zapier", "10.0.0.1", 0), ("acme", "curl/8.5", "10.0.0.2", 0))

    assert integrations(engine) == {"Zapier": ("signature", 1, 1, 1, 1)}
    assert rows(engine, "SELECT home_page FROM integrations") == [("https://zapier.com",)]


def test_a_program_that_uses_keys_of_many_unrelated_accounts_is_found(
    engine: Engine, call: Callable[..., None]
) -> None:
    register(engine, MANY)

    call(*((account, "acme-sync/1.2", "10.0.0.1", n % 9) for n, account in enumerate(MANY)))

    assert integrations(engine) == {"acme-sync": ("fan_out", 20, 20, 1, 20)}
    ((reasons,),) = rows(engine, "SELECT reasons FROM integrations")
    assert "20 unrelated accounts" in reasons[0]


def test_accounts_of_one_owner_count_once_but_those_at_mail_providers_do_not(
    engine: Engine, call: Callable[..., None]
) -> None:
    register(engine, MANY[:10], domain="holding.example")
    register(engine, MANY[10:], domain="gmail.com")

    call(*((account, "holding-etl/1", "10.0.0.1", 0) for account in MANY[:10]))
    call(*((account, "nightly-export/1", "10.0.0.1", 0) for account in MANY[10:]))

    assert set(integrations(engine)) == {"nightly-export"}


@pytest.mark.parametrize(
    "agent",
    ["python-requests/2.31.0", "-", "Mozilla/5.0 (X11; Linux x86_64) Firefox/121.0"],
)
def test_a_library_a_browser_or_nothing_is_never_one_vendor(
    engine: Engine, call: Callable[..., None], agent: str
) -> None:
    register(engine, MANY)

    call(*((account, agent, f"10.0.{n}.1", 0) for n, account in enumerate(MANY)))

    assert integrations(engine) == {}


SERVER = "52.89.7.7"
SCRIPT = "python-requests/2.31.0"
NAMELESS = f"python-requests from {SERVER}"
TWICE = [(account, SCRIPT, SERVER, days) for account in MANY for days in (9, 2)]


def candidates(start: Callable[[], SqlUnitOfWork]) -> list[tuple[str, int, int, int, str | None]]:
    found = UsageQuestions(start).candidates()
    return [(row.candidate, row.accounts, row.keys, row.count, row.rejected_by) for row in found]


def test_a_library_that_one_network_runs_for_many_unrelated_accounts_is_a_candidate(
    engine: Engine, start: Callable[[], SqlUnitOfWork], call: Callable[..., None]
) -> None:
    register(engine, [*MANY, "own", "other"])

    call(*TWICE, ("own", SCRIPT, "52.89.0.1", 9), ("other", SCRIPT, "52.89.0.2", 2))

    assert integrations(engine) == {}
    assert candidates(start) == [(NAMELESS, 20, 20, 40, None)]
    (found,) = UsageQuestions(start).candidates()
    assert (found.kind, found.networks) == ("fan_out", 1)
    assert 0.3 < found.confidence < 0.5
    assert "it came back for 20 of these accounts on another day" in found.reasons[2]


@pytest.mark.parametrize(
    "calls",
    [
        # an office, or a proxy: more than one program
        (*TWICE, ("a00", "curl/8.5", SERVER, 2)),
        # build machines that strangers share: each account is seen once at an address
        [(account, SCRIPT, SERVER, n % 9) for n, account in enumerate(MANY)],
        # one owner
        [(f"h{n:02}", SCRIPT, SERVER, days) for n in range(20) for days in (9, 2)],
        # own scripts, each from its own network
        [(a, SCRIPT, f"52.89.7.{n}", days) for n, a in enumerate(MANY) for days in (9, 2)],
        # people behind one address
        [(a, "Mozilla/5.0 (X11) Firefox/121.0", SERVER, d) for a in MANY for d in (9, 2)],
        # a log of our own machine, without user agents
        [(account, "-", "10.0.0.1", days) for account in MANY for days in (9, 2)],
    ],
)
def test_an_office_build_machines_an_owner_or_own_scripts_are_no_candidates(
    engine: Engine,
    start: Callable[[], SqlUnitOfWork],
    call: Callable[..., None],
    calls: list[tuple[str, str, str, int]],
) -> None:
    register(engine, MANY)
    register(engine, [f"h{n:02}" for n in range(20)], domain="holding.example")

    call(*calls)

    assert candidates(start) == []
    assert integrations(engine) == {}


def test_a_network_that_shows_a_second_program_later_is_no_candidate_any_more(
    engine: Engine, start: Callable[[], SqlUnitOfWork], call: Callable[..., None]
) -> None:
    register(engine, MANY)
    call(*TWICE)

    call(("a00", "curl/8.5", SERVER, 1))

    assert candidates(start) == []
    assert rows(engine, "SELECT count(*) FROM source_candidates") == [(0,)]


def test_what_people_say_of_a_network_holds_for_its_source_alone(
    engine: Engine,
    start: Callable[[], SqlUnitOfWork],
    naming: CallerNaming,
    call: Callable[..., None],
) -> None:
    register(engine, [*MANY, "own"])
    call(*TWICE, ("own", SCRIPT, "52.89.0.1", 2))

    naming.rename(NAMELESS, "Acme", operator="olga")
    assert integrations(engine) == {"Acme": ("confirmed", 20, 20, 1, 40)}
    spoke_for_it = rows(engine, "SELECT confidence, reasons FROM integrations")
    assert "unrelated accounts" in spoke_for_it[0][1][0]
    every = UsageQuestions(start).keys()
    served = {key.row.key_id: key.row.integrations for key in every}
    assert (served["key-a00"], served["key-own"]) == (("Acme",), ())

    call(("own", "curl/8.5", SERVER, 1), ("a00", SCRIPT, SERVER, 1))  # and however it goes on
    assert integrations(engine) == {"Acme": ("confirmed", 20, 20, 1, 41)}

    naming.rename("Acme", "Acme Sync", operator="olga")
    assert integrations(engine) == {"Acme Sync": ("confirmed", 20, 20, 1, 41)}
    assert rows(engine, "SELECT confidence, reasons FROM integrations") == spoke_for_it
    assert rows(engine, "SELECT candidate, integration FROM integration_decisions") == [
        (NAMELESS, "Acme Sync")
    ]
    naming.reject("Acme Sync", operator="olga")
    assert integrations(engine) == {}
    assert rows(engine, "SELECT count(*) FROM sources WHERE integration IS NOT NULL") == [(0,)]


def test_a_rejected_network_is_shown_as_such_and_one_with_two_addresses_is_merged(
    engine: Engine,
    start: Callable[[], SqlUnitOfWork],
    naming: CallerNaming,
    call: Callable[..., None],
) -> None:
    register(engine, MANY)
    call(*TWICE, *((account, SCRIPT, "52.89.7.8", days) for account, _, _, days in TWICE))
    second = "python-requests from 52.89.7.8"

    naming.reject(second, operator="olga")
    assert candidates(start) == [(NAMELESS, 20, 20, 40, None), (second, 20, 20, 40, "olga")]
    naming.rename(NAMELESS, "Acme", operator="olga")
    naming.merge(second, "Acme", operator="olga")

    assert integrations(engine) == {"Acme": ("confirmed", 20, 20, 2, 80)}
    assert candidates(start) == []


def test_a_program_that_a_signature_names_is_no_candidate_of_its_network_any_more(
    engine: Engine,
    start: Callable[[], SqlUnitOfWork],
    call: Callable[..., None],
    tmp_path: Path,
) -> None:
    register(engine, MANY)
    call(*((account, "my-app/3", address, days) for account, _, address, days in TWICE))
    assert [name for name, *_ in candidates(start)] == [f"my-app from {SERVER}"]

    own = tmp_path / "own.yaml"
    own.write_text(OWN.replace("^Initech-Poller", "^my-app").replace("Initech-Poller", "my-app"))
    CallerNaming(start, lambda: load_signatures(own)).name_all()

    assert candidates(start) == []
    assert integrations(engine) == {"Initech": ("signature", 20, 20, 1, 40)}


def test_one_key_may_serve_several_integrations(
    engine: Engine, start: Callable[[], SqlUnitOfWork], call: Callable[..., None]
) -> None:
    register(engine, ["acme"])

    call(("acme", "Zapier", "10.0.0.1", 0), ("acme", "Segment.io/1.0", "10.0.0.2", 0))

    (key,) = UsageQuestions(start).keys()
    assert key.row.integrations == ("Segment", "Zapier")


def test_stratus_is_found_by_fan_out_without_any_signature_for_it(
    engine: Engine, start: Callable[[], SqlUnitOfWork], naming: CallerNaming, shared_data: Path
) -> None:
    importing, usage = UsageImport(start), UsageService(start)
    for path in sorted((shared_data / "cloudtrail-stratus").glob("*.json")):
        reader = FEEDS[LogFormat.CLOUDTRAIL]
        importing.import_log(LogFile(path), reader, feed="trail", operator="olga")
    usage.discover(feed="trail", operator="olga")
    naming.name_all()

    assert signatures().identify("stratus-red-team") is None
    # A 34th account has used it to sign in at the console, once, without any key.
    assert integrations(engine) == {"stratus-red-team": ("fan_out", 33, 38, 33, 307)}


def test_what_people_say_holds_for_everybody_and_is_a_fact(
    engine: Engine, naming: CallerNaming, call: Callable[..., None]
) -> None:
    register(engine, MANY)
    call(*((account, "acme-sync/1", "10.0.0.1", 0) for account in MANY[:10]))
    call(*((account, "acmebot/1", "10.0.0.2", 0) for account in MANY[10:]))

    naming.rename("acme-sync", "Acme", operator="olga")
    naming.merge("acmebot", "Acme", operator="olga")
    assert integrations(engine) == {"Acme": ("confirmed", 20, 20, 2, 20)}

    naming.reject("Acme", operator="olga")
    assert integrations(engine) == {}
    naming.confirm("acmebot", operator="otto")
    assert integrations(engine) == {"acmebot": ("confirmed", 10, 10, 1, 10)}

    facts = rows(engine, "SELECT actor, action, subject, data FROM facts ORDER BY seq")[-4:]
    assert [fact[:3] for fact in facts] == [
        ("olga", "integration.renamed", "integration:acme-sync"),
        ("olga", "integration.merged", "integration:acmebot"),
        ("olga", "integration.rejected", "integration:Acme"),
        ("otto", "integration.confirmed", "integration:acmebot"),
    ]
    assert facts[2][3] == {"name": None, "candidates": ["acme-sync", "acmebot"]}


def test_a_candidate_that_nobody_could_be_sure_of_is_named_when_a_person_confirms_it(
    engine: Engine, naming: CallerNaming, call: Callable[..., None]
) -> None:
    register(engine, MANY[:3])
    call(*((a, "acme-sync/1", f"10.0.{n}.1", 0) for n, a in enumerate(MANY[:3])))
    assert integrations(engine) == {}

    naming.confirm("acme-sync", operator="olga")

    assert integrations(engine) == {"acme-sync": ("confirmed", 3, 3, 3, 3)}


def pages(engine: Engine) -> dict[str, str]:
    return dict(rows(engine, "SELECT integration, migration_url FROM integrations"))


def test_people_say_where_a_maker_explains_how_to_move_and_that_stays_with_the_name(
    engine: Engine, naming: CallerNaming, call: Callable[..., None]
) -> None:
    register(engine, MANY)
    call(*((account, "acme-sync/1", "10.0.0.1", 0) for account in MANY[:10]))
    call(*((account, "acmebot/1", "10.0.0.2", 0) for account in MANY[10:]))
    assert pages(engine) == {"acme-sync": "", "acmebot": ""}

    page = "https://acme.example/oauth"
    naming.confirm("acme-sync", operator="olga", migration_url=page)
    naming.confirm("acmebot", operator="olga", migration_url="https://bot.example/")
    naming.confirm("acme-sync", operator="otto")  # says nothing new about it
    naming.rename("acme-sync", "Acme", operator="olga")
    assert pages(engine) == {"Acme": page, "acmebot": "https://bot.example/"}
    naming.merge("acmebot", "Acme", operator="olga")
    call((MANY[0], "acme-sync/2", "10.0.0.1", 0))
    assert pages(engine) == {"Acme": page}

    naming.confirm("Acme", operator="olga", migration_url="")
    assert pages(engine) == {"Acme": ""}
    query = "SELECT data FROM facts WHERE action = 'integration.confirmed' ORDER BY seq LIMIT 1"
    ((data,),) = rows(engine, query)
    assert data["migration_url"] == page
    naming.confirm("Acme", operator="olga", migration_url=page)
    naming.reject("Acme", operator="olga")
    naming.confirm("acme-sync", operator="olga")
    assert pages(engine) == {"acme-sync": ""}


def test_what_people_say_of_a_page_goes_before_what_a_signature_says(
    start: Callable[[], SqlUnitOfWork],
    engine: Engine,
    call: Callable[..., None],
    tmp_path: Path,
) -> None:
    register(engine, MANY[:1])
    call((MANY[0], "Initech-Poller/3.1", "10.0.0.1", 0))
    own = tmp_path / "own.yaml"
    said = "{name: Initech, migration_url: https://initech.example/oauth,"
    own.write_text(OWN.replace("{name: Initech,", said), encoding="utf-8")
    with_own = CallerNaming(start, lambda: load_signatures(own))

    with_own.name_all()
    assert pages(engine) == {"Initech": "https://initech.example/oauth"}
    for page in ("https://ours.example/initech", ""):
        with_own.confirm("Initech", operator="olga", migration_url=page)
        assert pages(engine) == {"Initech": page}


@pytest.mark.parametrize(
    "wrong", ["http://acme.example", "acme.example", "https://", "https://a b", "https://é.example"]
)
def test_a_page_that_mails_cannot_send_people_to_is_refused(
    engine: Engine, naming: CallerNaming, call: Callable[..., None], wrong: str
) -> None:
    register(engine, MANY[:3])
    call(*((a, "acme-sync/1", f"10.0.{n}.1", 0) for n, a in enumerate(MANY[:3])))

    with pytest.raises(BadInput, match="no address that mails can send people to"):
        naming.confirm("acme-sync", operator="olga", migration_url=wrong)
    assert rows(engine, "SELECT 1 FROM integration_decisions") == []


def test_a_wrong_name_is_refused_and_says_which_there_are(
    engine: Engine, naming: CallerNaming, call: Callable[..., None]
) -> None:
    register(engine, ["acme"])
    call(("acme", "Zapier", "10.0.0.1", 0), ("acme", "Segment.io/1.0", "10.0.0.2", 0))

    with pytest.raises(NotFound, match=r"no integration 'zappier' \(known: Segment, Zapier\)"):
        naming.confirm("zappier", operator="olga")
    with pytest.raises(NotFound, match="no integration 'Zap'"):
        naming.merge("Segment", "Zap", operator="olga")
    with pytest.raises(Conflict, match="there is an integration 'Zapier' already"):
        naming.rename("Segment", "Zapier", operator="olga")
    for name in ("", " ", "a\x1bb", "x" * 201):
        with pytest.raises(BadInput, match="is no name for an integration"):
            naming.rename("Segment", name, operator="olga")
    assert rows(engine, "SELECT count(*) FROM integration_decisions") == [(0,)]


def test_other_signatures_name_everybody_anew(
    engine: Engine,
    start: Callable[[], SqlUnitOfWork],
    call: Callable[..., None],
    tmp_path: Path,
) -> None:
    register(engine, ["acme"])
    call(("acme", "Initech-Poller/3.1", "10.0.0.1", 0))
    assert integrations(engine) == {}

    own = tmp_path / "own.yaml"
    own.write_text(OWN)
    CallerNaming(start, lambda: load_signatures(own)).name_all()

    assert integrations(engine) == {"Initech": ("signature", 1, 1, 1, 1)}


def test_a_cohort_may_take_the_accounts_that_an_integration_serves_of_late(
    engine: Engine, start: Callable[[], SqlUnitOfWork], call: Callable[..., None]
) -> None:
    register(engine, ["zapped", "segmented", "long-ago", "own"])
    call(
        ("zapped", "Zapier", "10.0.0.1", 1),
        ("segmented", "Segment.io/1.0", "10.0.0.2", 1),
        ("long-ago", "Zapier", "10.0.0.1", 60),
        ("own", "curl/8.5", "10.0.0.3", 1),
    )
    cohorts = """
cohorts:
  - {cohort: zaps, select: {integration: Zapier}, date: 2027-03-02T16:00:00Z}
  - {cohort: others, select: {integration: any}, date: 2027-04-06T16:00:00Z}
  - {cohort: everyone, select: {}, date: 2027-05-04T16:00:00Z}
"""
    plan = PLAN[: PLAN.index("cohorts:")].strip() + cohorts

    wording = Wording(TemplateRenderer(templates_dir() / "notices"), sample_contexts)
    drafts = PlanDrafts(start, read_deprecation, holiday_finder, wording)
    drafts.apply(plan, "plan.yaml", "olga")

    found = rows(engine, "SELECT account_id, cohort FROM enrollments ORDER BY account_id")
    assert found == [
        ("long-ago", "everyone"),
        ("own", "everyone"),
        ("segmented", "others"),
        ("zapped", "zaps"),
    ]
