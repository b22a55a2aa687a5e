"""What a program calls itself, and whether that tells one caller from another."""

from __future__ import annotations

import gzip
import json
import string
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.user_agents import LABELLED, parser_tests
from rollout.domain.usage import UserAgentKind, kind_of_user_agent, normalise_user_agent

DATA = LABELLED.parent
with_data = pytest.mark.skipif(
    not DATA.exists(), reason="the data pack is not beside this checkout"
)

GRUESOME = st.text(alphabet="aA1f0.-_/#@:;,()[]\"' +=idvx\t", max_size=80)
UUIDS = st.uuids().map(str)
VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,4}){1,3}", fullmatch=True)


# Names


@pytest.mark.parametrize(
    ("logged", "name"),
    [
        (
            "Feedfetcher-Google; (+http://g.example/f.html; 22 subscribers; feed-id=832190)",
            "Feedfetcher-Google; (+http://g.example/f.html)",
        ),
        ("Feedbin - 1 subscribers", "Feedbin"),
        ("Feedbin feed-id:2005098 - 2 subscribers", "Feedbin"),
        (
            "LiveJournal.com (webmaster@livejournal.com; for http://lj.example/u/x/; 8 readers)",
            "LiveJournal.com (webmaster@livejournal.com)",
        ),
        ("[Boto3/1.6.2 Python/3.4.3]", "Boto3 Python"),
        ('"curl/8.5.0"', "curl"),
        ("User-Agent: acme-sync/2.1", "acme-sync"),
        ("proxy: acme-sync/2.1", "acme-sync"),
        ("acme: the sync", "acme: the sync"),  # no label: nothing with a version follows
        ("GitHub-Hookshot/7ea4e29", "GitHub-Hookshot"),
        (
            "Tiny Tiny RSS/17.12 (a2d1fa5) (http://tt-rss.org/)",
            "Tiny Tiny RSS (http://tt-rss.org/)",
        ),
        ("Chef Client/10.18.2 (ruby-1.9.3-p327; ohai-6.16.0)", "Chef Client (ruby; ohai)"),
        ("SimplePie/1.3.1 (like Gecko) Build/20140115031959", "SimplePie (like Gecko)"),
        ("crawler,gzip(gfe),gzip(gfe)", "crawler"),
        ("job-1729000000", "job"),
        ("AppEngine-Google; (+http://g.example; appid: s~acme)", None),  # says who, so it stays
        ("acme client-id: shop", None),
    ],
)
def test_counts_ids_builds_and_wrappings_do_not_split_a_program(
    logged: str, name: str | None
) -> None:
    assert normalise_user_agent(logged) == (logged if name is None else name)


@given(GRUESOME | st.text(max_size=60))
@example("[\"'a'\"]")
@example("a: b: c/1")
@example("(;;)(-)")
@example("1/2.3 4-5.6/7")
def test_the_name_of_a_name_is_itself(logged: str) -> None:
    name = normalise_user_agent(logged)

    assert normalise_user_agent(name) == name
    assert name


@given(UUIDS, UUIDS, VERSIONS, VERSIONS, st.sampled_from("_-/ "))
def test_two_runs_of_one_program_have_one_name(
    run: str, other: str, version: str, later: str, sign: str
) -> None:
    first = normalise_user_agent(f"acme-sync/{version} (linux){sign}{run}")

    assert first == normalise_user_agent(f"acme-sync/{later} (linux){sign}{other}")
    assert first == "acme-sync (linux)"


@given(st.text(alphabet=string.ascii_letters + "-", min_size=1, max_size=40))
def test_a_bare_word_stays_as_it_is(word: str) -> None:
    assert normalise_user_agent(word) == (word.rstrip("-") or "-")


@pytest.mark.parametrize(
    "unit",
    [
        *("a", "0", "1.", "-1", "/1-", "deadbeef-", "0_0", "a0", "[", "\"'", "(a1", "id=", "(;"),
        *("; for http://", "user-agent: ", "x: ", "compatible; ", "(Foo ", "build/", "1 user"),
        *("gzip(gfe),", "(aaaaaaa", "+ ", "client-", "\0", "é"),
    ],
)
def test_no_user_agent_takes_long_to_name_or_to_judge(unit: str) -> None:
    hostile = unit * (1_000_000 // len(unit))
    began = time.process_time()
    kind_of_user_agent(hostile)

    assert time.process_time() - began < 1


# Kinds


@pytest.mark.parametrize(
    ("kind", "logged"),
    [
        *((UserAgentKind.NONE, logged) for logged in ("", "-", " ", "1.2.3", "&as_qdr=all")),
        *(
            (UserAgentKind.LIBRARY, logged)
            for logged in (
                *("python-requests/2.31.0", "curl/8.5.0", "okhttp/4.12.0", "axios/1.7.2"),
                *("Go-http-client/1.1", "Java/1.8.0_232", "node-fetch/1.0", "Faraday v2.9.0"),
                *("GuzzleHttp/7", "Boto3/1.6", "aws-sdk-go-v2/1.32.3 os/linux", "PostmanRuntime/7"),
                *("Apache-HttpClient/4.5 (Java/17)", "libwww-perl/6.05", "Ruby", "WordPress/6.4"),
                *("acme-http-client/2", "AcmeSDK/1.0", "acme/1.0 Python/3.9", "test", "node"),
                *("Stripe/v1 PythonBindings/5.0", "KillBill/0.47; Java/1.8", "Http Client 1"),
                "[Boto3/1.6.2 Python/3.4.3]",
                "aws-sdk/1.3 lang/go exec-env/grimoire_095724e3-1fa0-4e3e-b68a-e8581d194380",
            )
        ),
        *(
            (UserAgentKind.BROWSER, logged)
            for logged in (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36",
                "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.1; Trident/6.0)",
                "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.0; http://bsalsa.com/)",
                "Mozilla/5.0 (Linux; Android 7.0; CUBOT NOTE S) AppleWebKit/537.36",
                "Mozilla/5.0 (iPhone) AppleWebKit/605 [FBAN/FBIOS;FBCR/OrangeBotswana]",
                "Opera/9.80 (X11) Presto/2.12",
                "Lynx/2.8.7rel.2 libwww-FM/2.14",
                "Dalvik/1.6.0 (Linux; U; Android 4.2.2)",
            )
        ),
        *(
            (UserAgentKind.PRODUCT, logged)
            for logged in (
                "stratus-red-team_10e7edf3-5063-4eba-8842-68f83bb52d65",
                "acme-sync/2.4.1 (linux; x86_64)",
                "Zapier",
                "Mozilla/5.0 (compatible; Foo/1.0; +http://foo.example)",
                "Mozilla/5.0 (compatible; theoldreader.com; 2 subscribers; feed-id=2e78)",
                "Mozilla/5.0 (X11) Gecko/2010 Firefox/3.6 (FlipboardProxy/1.1; +http://f.example)",
                "Digg Feed Fetcher 1.0 (Mozilla/5.0 (Macintosh) AppleWebKit/534.48.3)",
            )
        ),
    ],
)
def test_a_user_agent_says_which_program_calls_or_only_what_it_is_made_with(
    kind: UserAgentKind, logged: str
) -> None:
    assert kind_of_user_agent(logged) is kind


@given(GRUESOME)
def test_a_normalised_user_agent_is_of_the_same_kind(logged: str) -> None:
    assert kind_of_user_agent(normalise_user_agent(logged)) is kind_of_user_agent(logged)


@with_data
def test_no_browser_of_the_parsers_tests_is_taken_for_a_product() -> None:
    browsers = [one for one in parser_tests() if one.browser]

    assert len(browsers) > 430
    assert [
        one.user_agent
        for one in browsers
        if kind_of_user_agent(one.user_agent) is UserAgentKind.PRODUCT
    ] == []


@with_data
def test_bots_that_pose_as_browsers_are_no_products() -> None:
    with gzip.open(DATA / "access-hackers/access.log.gz", "rt", encoding="utf-8") as log:
        user_agents = {line.split('"')[5] for line in log}

    assert len(user_agents) == 27
    assert {kind_of_user_agent(one) for one in user_agents} == {UserAgentKind.BROWSER}


@with_data
def test_all_runs_of_stratus_are_two_families_and_one_of_them_is_a_product() -> None:
    files = (DATA / "cloudtrail-stratus").glob("*.json")
    events = [event for file in files for event in json.loads(file.read_bytes())]
    logged = {one["userAgent"] for one in events if one["userIdentity"].get("accessKeyId")}
    families = {normalise_user_agent(one) for one in logged}
    products = {one for one in families if kind_of_user_agent(one) is UserAgentKind.PRODUCT}

    assert len(logged) >= 34
    assert len(families) == 2
    assert products == {"stratus-red-team"}
