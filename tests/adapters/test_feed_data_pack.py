"""The real logs with known answers: every record is read, or refused with a reason."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.aws_credential_report import CredentialReport
from rollout.adapters.feeds.files import LogFile
from rollout.adapters.feeds.mapped import load_map
from rollout.domain.errors import BadInput
from rollout.domain.usage import Sighting
from rollout.services.ports import Keyless, LastUse, Reading, Unreadable, UsageFeed
from tests.support.credential_reports import ANSWERS, FOLDER, MADE

MAPS = Path(__file__).parents[2] / "docs" / "maps"


def feed(name: str) -> UsageFeed:
    """Return a format by its name, or a map by that of its file."""
    if name in list(LogFormat):
        return FEEDS[LogFormat(name)]
    return load_map(MAPS / f"{name}.yaml")


def sightings(readings: list[Reading]) -> list[Sighting]:
    return [reading for reading in readings if isinstance(reading, Sighting)]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("name", "file", "expected", "keys"),
    [
        ("combined", "access-formats/apache.log", {"Sighting": 1, "Keyless": 14}, 1),
        ("alb", "access-formats/elb.log", {"Keyless": 16}, 0),
        ("bitbucket", "access-formats/bitbucket.log", {"Sighting": 6, "Keyless": 2}, 4),
        ("cloudtrail", "access-formats/cloudtrail.jsonl", {"Sighting": 5, "Keyless": 1}, 1),
        ("gcp", "access-formats/gcp.jsonl", {"Keyless": 11}, 0),
        ("azure", "access-formats/azure.jsonl", {"Sighting": 2, "Keyless": 2}, 1),
        ("microsoft-365", "access-formats/microsoft.jsonl", {"Sighting": 4}, 2),
        ("atlassian", "access-formats/confluence.log", {"Sighting": 3}, 1),
        ("atlassian", "access-formats/jira.log", {"Sighting": 3, "Keyless": 1}, 2),
        (
            "cloudtrail",
            "cloudtrail-fixtures/cloudtrail.jsonl.gz",
            {"Sighting": 355, "Keyless": 108},
            49,
        ),
        ("gcp", "cloudtrail-fixtures/gcp.jsonl", {"Sighting": 15, "Keyless": 153}, 6),
        ("github", "cloudtrail-fixtures/github.jsonl", {"Sighting": 2, "Keyless": 99}, 2),
        # Of the ten requesters, one comes without a time.
        (
            "s3",
            "cloudtrail-fixtures/s3.jsonl",
            {"Sighting": 9, "Keyless": 6, "Unreadable": 1},
            6,
        ),
        ("edgar", "access-edgar-small/small.csv.gz", {"Sighting": 17_486}, 9243),
        (
            "edgar-answered",
            "access-edgar-small/small.csv.gz",
            {"Sighting": 11_406, "Keyless": 6080},
            6825,
        ),
    ],
)
def test_every_record_of_a_file_is_accounted_for(
    shared_data: Path, name: str, file: str, expected: dict[str, int], keys: int
) -> None:
    readings = list(feed(name).read(LogFile(shared_data / file)))

    assert Counter(type(reading).__name__ for reading in readings) == expected
    assert len({use.key_id for use in sightings(readings)}) == keys


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_a_file_of_another_format_is_refused_record_by_record_or_as_a_whole(
    shared_data: Path, log_format: LogFormat
) -> None:
    for file in sorted((shared_data / "access-formats").iterdir()):
        try:
            readings = list(FEEDS[log_format].read(LogFile(file)))
        except BadInput:
            continue
        assert readings
        for reading in readings:
            assert not isinstance(reading, Unreadable) or reading.example.isprintable()


@pytest.mark.parametrize("the_map", sorted(MAPS.iterdir()), ids=lambda path: path.stem)
@pytest.mark.parametrize("log", ["elb.log", "gcp.jsonl", "bitbucket.log", "microsoft.jsonl"])
def test_a_map_never_takes_another_log_for_uses_of_keys(
    shared_data: Path, the_map: Path, log: str
) -> None:
    try:
        readings = list(load_map(the_map).read(LogFile(shared_data / "access-formats" / log)))
    except BadInput:
        return
    assert not sightings(readings) or the_map.stem.startswith(log.partition(".")[0])


# EDGAR: one source over many companies


@pytest.mark.parametrize(
    ("name", "sources", "at_least", "top"),
    [
        (
            "edgar",
            769,
            {10: 161, 50: 61, 100: 34},
            [
                ("183.195.251.hah", 677, 691),
                ("52.45.218.ihf", 520, 543),
                ("68.180.231.abf", 490, 499),
                ("103.238.106.gif", 424, 434),
                ("208.77.215.jeh", 399, 407),
            ],
        ),
        (
            "edgar-answered",
            538,
            {10: 127, 50: 45, 100: 21},
            [
                ("183.195.251.hah", 677, 691),
                ("52.45.218.ihf", 519, 542),
                ("208.77.215.jeh", 396, 404),
                ("208.77.214.jeh", 393, 398),
                ("218.50.187.afh", 300, 304),
            ],
        ),
    ],
)
def test_the_sources_of_edgar_and_their_companies_come_out_exactly(
    shared_data: Path,
    name: str,
    sources: int,
    at_least: dict[int, int],
    top: list[tuple[str, int, int]],
) -> None:
    companies: dict[str, set[str | None]] = defaultdict(set)
    requests: Counter[str] = Counter()
    for use in sightings(
        list(feed(name).read(LogFile(shared_data / "access-edgar-small/small.csv.gz")))
    ):
        companies[use.network].add(use.account_id)
        requests[use.network] += 1

    ranked = sorted(companies, key=lambda source: -len(companies[source]))
    assert len(companies) == sources
    assert {
        least: sum(len(seen) >= least for seen in companies.values()) for least in at_least
    } == at_least
    assert [(source, len(companies[source]), requests[source]) for source in ranked[:5]] == top


def test_edgar_times_are_utc_refusals_are_marked_and_the_damaged_company_is_kept(
    shared_data: Path,
) -> None:
    uses = sightings(
        list(feed("edgar").read(LogFile(shared_data / "access-edgar-small/small.csv.gz")))
    )

    assert uses[0].at == datetime(2017, 1, 1, tzinfo=UTC)
    assert max(use.at for use in uses) == datetime(2017, 1, 1, 23, 59, 55, tzinfo=UTC)
    assert sum(use.refused for use in uses) == 266
    assert uses[8764].key_id == "1.1341190000902664e+24"
    assert uses[0].key_id == uses[0].account_id == "1111711"
    assert len({use.event for use in uses}) == len(uses)


# Traps of the small files


def test_the_broken_line_of_apache_is_salvaged_and_its_one_user_is_found(shared_data: Path) -> None:
    readings = list(feed("combined").read(LogFile(shared_data / "access-formats/apache.log")))

    (use,) = sightings(readings)
    assert (use.key_id, use.at) == ("pyllyukko@EXAMPLE.COM", instant("2019-11-16T07:46:42+00:00"))
    assert isinstance(readings[7], Keyless)
    assert readings[7].user_agent.endswith("bot.html")


def test_the_three_formats_of_a_load_balancer_are_told_apart(shared_data: Path) -> None:
    readings = list(feed("alb").read(LogFile(shared_data / "access-formats/elb.log")))

    assert [(r.at, r.network, r.user_agent[:7]) for r in readings if isinstance(r, Keyless)][
        9:
    ] == [
        (instant("2020-01-11T16:55:34.406389Z"), "192.168.1.10", "Mozilla"),
        (instant("2021-05-13T23:39:43.945958Z"), "192.168.131.39", "curl/7."),
        (instant("2021-05-13T23:39:44.945958Z"), "192.168.131.39", "curl/7."),
        (instant("2021-05-13T23:39:45.945958Z"), "192.168.131.39", ""),
        (instant("2021-05-13T23:39:46.945958Z"), "192.168.131.39", ""),
        (instant("2022-04-01T08:51:42Z"), "72.21.218.154", ""),
        (instant("2022-12-20T02:59:40Z"), "72.21.218.154", ""),
    ]


def test_bitbucket_names_the_access_token_and_the_user_of_either_kind_of_row(
    shared_data: Path,
) -> None:
    readings = list(feed("bitbucket").read(LogFile(shared_data / "access-formats/bitbucket.log")))

    assert [(use.key_id, use.account_id, use.network) for use in sightings(readings)] == [
        ("eaccru", "eaccru", "63.246.22.199"),
        ("admin", "admin", "10.229.31.195"),
        ("263466287238", "testuser", "10.229.31.195"),
        ("acarlton", "acarlton", "0:0:0:0:0:0:0:1"),
        ("admin", "admin", "10.229.31.65"),
        ("eaccru", "eaccru", "10.0.0.1"),
    ]
    assert sightings(readings)[0].at == instant("2012-10-29T00:06:26.838+00:00")
    assert sightings(readings)[0].user_agent == "git/1.7.4.1"


@pytest.mark.parametrize(
    ("file", "users", "last"),
    [
        ("confluence.log", {"user": 3}, "2021-06-17T11:02:20Z"),
        ("jira.log", {"admin": 2, "jdoe": 1}, "2022-10-03T14:02:00Z"),
    ],
)
def test_the_last_use_is_the_latest_instant_whatever_its_offset(
    shared_data: Path, file: str, users: dict[str, int], last: str
) -> None:
    uses = sightings(list(feed("atlassian").read(LogFile(shared_data / "access-formats" / file))))

    assert Counter(use.key_id for use in uses) == users
    assert max(use.at for use in uses) == instant(last)
    assert all(use.user_agent.startswith("Mozilla/5.0 (") for use in uses)


def test_people_and_the_system_are_told_apart_in_microsoft_365(shared_data: Path) -> None:
    uses = sightings(
        list(feed("microsoft-365").read(LogFile(shared_data / "access-formats/microsoft.jsonl")))
    )

    assert sorted(Counter(use.key_id for use in uses).values()) == [1, 3]
    assert uses[3].key_id == "piet@sst5f.onmicrosoft.com"


def test_the_lookup_answers_of_cloudtrail_name_their_key_and_its_first_and_last_use(
    shared_data: Path,
) -> None:
    uses = sightings(
        list(feed("cloudtrail").read(LogFile(shared_data / "access-formats/cloudtrail.jsonl")))
    )

    assert {use.key_id for use in uses} == {"0123456789ABCDEFGHIJ"}
    assert min(use.at for use in uses) == instant("2022-02-07T22:19:04Z")
    assert max(use.at for use in uses) == instant("2022-02-07T22:23:37Z")


def test_the_cloudtrail_fixtures_hold_the_accounts_and_user_agents_they_are_known_for(
    shared_data: Path,
) -> None:
    readings = list(
        feed("cloudtrail").read(LogFile(shared_data / "cloudtrail-fixtures/cloudtrail.jsonl.gz"))
    )

    agents = {r.user_agent for r in readings if isinstance(r, Sighting | Keyless)} - {""}
    assert len(agents) == 81
    assert Counter(use.key_id for use in sightings(readings)).most_common(3) == [
        ("1", 77),
        ("AKIAIOSFODNN7EXAMPLE", 44),
        ("1111", 34),
    ]


@pytest.mark.parametrize(("name", "agents"), [("gcp", 77), ("github", 22), ("s3", 7)])
def test_records_of_other_fixtures_keep_their_user_agent(
    shared_data: Path, name: str, agents: int
) -> None:
    log = LogFile(shared_data / f"cloudtrail-fixtures/{name}.jsonl")

    found = [r for r in feed(name).read(log) if isinstance(r, Sighting | Keyless) and r.user_agent]

    assert len(found) == agents


# Credential reports


def judged(uses: list[LastUse], clock: datetime) -> tuple[int, int, int, int]:
    """Count the active keys, those used within 30 days, those used before, and those never used."""
    active = [use for use in uses if use.active]
    ages = [clock - use.last_used for use in active if use.last_used]
    recent = sum(age <= timedelta(days=30) for age in ages)
    return len(active), recent, len(ages) - recent, len(active) - len(ages)


@pytest.mark.parametrize(
    ("file", "clock", "expected"),
    ANSWERS,
)
def test_the_numbers_of_a_credential_report_follow_from_its_last_uses(
    shared_data: Path, file: str, clock: str, expected: tuple[int, int, int, int]
) -> None:
    report = CredentialReport(as_of=instant(MADE[file]))
    readings = list(report.read(LogFile(shared_data / FOLDER / file)))
    uses = [reading for reading in readings if isinstance(reading, LastUse)]

    assert not any(isinstance(reading, Unreadable) for reading in readings)
    assert judged(uses, instant(clock)) == expected
    assert {use.as_of for use in uses} == {instant(MADE[file])}


@pytest.mark.parametrize(
    ("file", "as_of"),
    [
        ("eight.csv", "2016-11-25T14:22:00Z"),
        ("one-two-keys.csv", "2018-12-01T22:25:00Z"),
        ("one-upper.csv", "2020-04-02T13:08:00Z"),
    ],
)
def test_without_its_time_a_report_counts_as_of_the_newest_use_and_never_as_of_2099(
    shared_data: Path, file: str, as_of: str
) -> None:
    readings = list(CredentialReport().read(LogFile(shared_data / FOLDER / file)))

    assert {r.as_of for r in readings if isinstance(r, LastUse)} == {instant(as_of)}


@pytest.mark.parametrize("file", ["two-future.csv", "one-never.csv"])
def test_a_report_that_tells_of_no_use_is_refused_until_its_time_is_given(
    shared_data: Path, file: str
) -> None:
    with pytest.raises(BadInput, match="nothing says when it was made"):
        list(CredentialReport().read(LogFile(shared_data / FOLDER / file)))


def test_the_keys_of_a_report_are_named_by_user_and_slot_under_their_account(
    shared_data: Path,
) -> None:
    readings = list(CredentialReport().read(LogFile(shared_data / FOLDER / "eight.csv")))

    root = readings[0]
    assert isinstance(root, LastUse)
    assert (root.key_id, root.account_id) == ("arn:aws:iam::619193117841:root#1", "619193117841")
    assert root.last_used == instant("2015-07-04T15:09:00Z")
    assert [r.key_id for r in readings if isinstance(r, LastUse) and not r.active] == [
        "arn:aws:iam::619193117841:root#2"
    ]
