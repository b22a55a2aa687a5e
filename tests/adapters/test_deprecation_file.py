from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.adapters.deprecation_file import read_deprecation
from rollout.domain.errors import BadRows
from rollout.domain.inventory import KeyKind
from rollout.domain.plan import (
    ANY_INTEGRATION,
    CalendarRules,
    Deprecation,
    Freeze,
    Guards,
    Only,
    Selector,
    Step,
    UnknownUsage,
)
from rollout.domain.usage import Usage

DESIGN = Path(__file__).parents[2] / "../shared/DESIGN.md"
TEMPLATES = ("announcement", "reminder", "final-warning", "disabled", "still-calling")
INTEGRATIONS = "  - {cohort: integrations, select: {integration: any}, date: 2027-03-16}\n"
EXAMPLE = f"""\
deprecation: api-keys
title: API keys
replacement: {{title: access tokens, url: https://developers.example.com/access-tokens}}
guide_url: https://developers.example.com/keys-to-tokens
scope: {{kinds: [rest]}}
announced: 2026-12-01
calendar:
  timezone: account              # or an IANA name
  cutoff_time: "16:00"
  weekdays: [mon, tue, wed, thu]
  holidays: [US, GB]
  freezes: [{{from: 2026-12-18, to: 2027-01-04, reason: year-end freeze}}]
reminders:
  - {{step: announcement, before: 60d}}
  - {{step: reminder, before: 30d}}
  - {{step: reminder-2, before: 14d, template: reminder, only: in_use}}
  - {{step: final-warning, before: 3d, required: true}}
  - {{step: disabled, after: 0d}}
  - {{step: still-calling, after: 1d, only: refused_since_cutoff}}
guards: {{min_notice: 14d, min_delivered: 1, unknown_usage: hold, max_keys_per_run: 5000, max_accounts_per_hour: 2000, approvals: 2}}
cohorts:                          # first match wins; dates may also be instants (2027-02-02T16:00:00Z)
  - {{cohort: canary, select: {{usage: unused, percent: 5}}, date: 2027-02-02, bake: 7d}}
  - {{cohort: quiet, select: {{usage: unused}}, date: 2027-02-16}}
{INTEGRATIONS}  - {{cohort: everyone, select: {{}}, date: 2027-04-13}}
"""  # noqa: E501 - the example of the design, character for character
FILE = EXAMPLE.replace(INTEGRATIONS, "")
CALENDAR = FILE[FILE.index("calendar:") : FILE.index("reminders:")]
REMINDERS = FILE[FILE.index("reminders:") : FILE.index("guards:")]
GUARDS = FILE[FILE.index("guards:") : FILE.index("cohorts:")]
COHORTS = FILE[FILE.index("cohorts:") :]


def read(text: str) -> Deprecation:
    return read_deprecation(text, "deprecation.yaml", TEMPLATES)


def rows(text: str) -> list[str]:
    with pytest.raises(BadRows) as refusal:
        read(text)
    return list(refusal.value.rows)


def with_(old: str, new: str) -> str:
    assert FILE.count(old) == 1, old
    return FILE.replace(old, new)


def cohorts(*lines: str) -> str:
    return FILE.replace(COHORTS, "cohorts:\n" + "".join(f"  - {{{line}}}\n" for line in lines))


# What is read


def test_the_example_of_the_design_is_the_one_tested_here() -> None:
    if not DESIGN.exists():
        pytest.skip("the design document is not beside this checkout")
    assert EXAMPLE in DESIGN.read_text()


def test_the_example_of_the_design_is_read() -> None:
    deprecation = read(EXAMPLE)
    assert deprecation.name == "api-keys"
    assert deprecation.title == "API keys"
    assert deprecation.replacement.url == "https://developers.example.com/access-tokens"
    assert deprecation.kinds == {KeyKind.REST}
    assert deprecation.announced == date(2026, 12, 1)
    assert deprecation.calendar == CalendarRules(
        timezone="account",
        cutoff_time=time(16),
        weekdays=frozenset({0, 1, 2, 3}),
        holidays=("US", "GB"),
        freezes=(Freeze(date(2026, 12, 18), date(2027, 1, 4), "year-end freeze"),),
    )
    day = timedelta(days=1)
    assert deprecation.reminders == (
        Step("announcement", -60 * day, "announcement", (), required=False, resend=False),
        Step("reminder", -30 * day, "reminder", (), required=False, resend=False),
        Step("reminder-2", -14 * day, "reminder", (Only.IN_USE,), required=False, resend=False),
        Step("final-warning", -3 * day, "final-warning", (), required=True, resend=True),
        Step("disabled", 0 * day, "disabled", (), required=False, resend=False),
        Step(
            "still-calling",
            day,
            "still-calling",
            (Only.REFUSED_SINCE_CUTOFF,),
            required=False,
            resend=False,
        ),
    )
    assert deprecation.guards.approvals == 2
    canary, quiet, integrations, everyone = deprecation.cohorts
    assert canary.select == Selector(usage=Usage.UNUSED, percent=5)
    assert canary.bake == 7 * day
    assert quiet.select == Selector(usage=Usage.UNUSED)
    assert quiet.bake == timedelta(0)
    assert integrations.select == Selector(integration=ANY_INTEGRATION)
    assert everyone.select == Selector()
    assert everyone.date == date(2027, 4, 13)


@pytest.mark.parametrize(
    ("step", "resend"),
    [
        ("required: true", True),
        ("required: false", False),
        ("required: true, if_uncertain: leave", False),
        ("required: false, if_uncertain: resend", True),
    ],
)
def test_a_required_step_is_resent_if_uncertain_and_others_are_not_unless_the_file_says_so(
    step: str, *, resend: bool
) -> None:
    deprecation = read(FILE.replace("required: true", step))
    assert deprecation.reminders[3].resend is resend


def test_calendar_and_guards_have_defaults() -> None:
    short = FILE.replace(CALENDAR, "").replace(GUARDS, "")
    calendar = CalendarRules("account", time(16), frozenset({0, 1, 2, 3}), (), ())
    guards = Guards(
        min_notice=timedelta(days=14),
        min_delivered=1,
        unknown_usage=UnknownUsage.HOLD,
        max_keys_per_run=5000,
        max_accounts_per_hour=2000,
        approvals=1,
        usage_window=timedelta(days=30),
        usage_fresh=timedelta(days=2),
    )
    assert (read(short).calendar, read(short).guards) == (calendar, guards)
    empty = FILE.replace(CALENDAR, "calendar: {}\n").replace(GUARDS, "guards: {}\n")
    assert (read(empty).calendar, read(empty).guards) == (calendar, guards)


@pytest.mark.parametrize(
    ("written", "span"),
    [
        ("60d", timedelta(days=60)),
        ("36h", timedelta(hours=36)),
        ("30m", timedelta(minutes=30)),
        ("45s", timedelta(seconds=45)),
        ("0d", timedelta(0)),
        ("1d12h", timedelta(hours=36)),
        ("1h1s", timedelta(seconds=3601)),
        ("3650d", timedelta(days=3650)),
    ],
)
def test_durations(written: str, span: timedelta) -> None:
    assert read(with_("bake: 7d", f"bake: {written}")).cohorts[0].bake == span


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2027-02-02T16:00:00Z", datetime(2027, 2, 2, 16, tzinfo=UTC)),
        ("2027-02-02T16:00:00+02:00", datetime(2027, 2, 2, 14, tzinfo=UTC)),
        ("'2027-02-02T16:00:00.250Z'", datetime(2027, 2, 2, 16, 0, 0, 250_000, tzinfo=UTC)),
        ("2027-02-02T16:00-05:00", datetime(2027, 2, 2, 21, tzinfo=UTC)),
    ],
)
def test_an_instant_comes_back_in_utc(written: str, instant: datetime) -> None:
    found = read(with_("date: 2027-02-02,", f"date: {written},")).cohorts[0].date
    assert found == instant
    assert isinstance(found, datetime)
    assert found.tzinfo is UTC


def test_a_selector_takes_tier_accounts_and_percent() -> None:
    text = cohorts(
        "cohort: named, select: {accounts: [acct_1, 007, 'x y']}, date: 2027-02-02",
        "cohort: paid, select: {tier: paid, usage: in_use, percent: 0.5}, date: 2027-02-03",
    )
    named, paid = read(text).cohorts
    assert named.select.accounts == frozenset({"acct_1", "007", "x y"})  # not the number 7
    assert paid.select == Selector(usage=Usage.IN_USE, tier="paid", percent=0.5)


def test_what_yaml_1_1_would_misread_is_read_as_written() -> None:
    text = with_("holidays: [US, GB]", "holidays: [NO]").replace('"16:00"', '"16:00:30"')
    assert read(text).calendar.holidays == ("NO",)  # Norway, not false
    assert read(text).calendar.cutoff_time == time(16, 0, 30)


def test_a_byte_order_mark_and_windows_line_ends_are_harmless() -> None:
    assert read("\ufeff" + FILE.replace("\n", "\r\n")) == read(FILE)


def test_json_is_yaml() -> None:
    text = cohorts('"cohort": "everyone", "select": {}, "date": "2027-02-02"')
    assert read(text).cohorts[0].date == date(2027, 2, 2)


def test_a_stored_document_is_read_without_looking_at_the_templates() -> None:
    assert read_deprecation(FILE, "deprecation api-keys", None) == read(FILE)


# What is refused. The line numbers are those of FILE.


@pytest.mark.parametrize(
    ("old", "new", "row"),
    [
        # names
        ("title: API", "titel: API", "2: titel: unknown name; did you mean `title`?"),
        ("scope:", "zzz: 1\nscope:", "5: zzz: unknown name"),
        ("cutoff_time:", "cutof_time:", "9: calendar.cutof_time: unknown name; did you mean `c"),
        ("before: 3d", "befor: 3d", "17: reminders[3].befor: unknown name; did you mean `before`?"),
        ("2000, approvals", "1, aprovals", "20: guards.aprovals: unknown name; did you mean `app"),
        ("date: 2027-02-16", "dat: 2027-02-16", "23: cohorts[1].dat: unknown name; did you mean "),
        ("usage: unused}", "use: unused}", "23: cohorts[1].select.use: unknown name; did you mean"),
        ("{kinds", "{kind: x, kinds", "5: scope.kind: unknown name; did you mean `kinds`?"),
        ("scope:", "<<: {a: b}\nscope:", "5: <<: unknown name"),
        ("scope:", "on: true\nscope:", "5: on: unknown name"),
        ("scope:", "? [a]\n: b\nscope:", "5: ?: unknown name"),
        ("title: API", "title: a\ntitle: API", "3: title: named twice, first in line 2"),
        ("bake: 7d", "bake: 7d, bake: 8d", "22: cohorts[0].bake: named twice, first in line 22"),
        # missing
        ("guide_url: https", "# ", "1: guide_url: missing"),
        (", date: 2027-04-13", "", "24: cohorts[2].date: missing"),
        (", select: {}", "", "24: cohorts[2].select: missing"),
        ("cohort: everyone, ", "", "24: cohorts[2].cohort: missing"),
        (", reason: year-end freeze", "", "12: calendar.freezes[0].reason: missing"),
        ("{title: access tokens, ", "{", "3: replacement.title: missing"),
        ("step: disabled, ", "", "18: reminders[4].step: missing"),
        # wrong types
        ("title: API keys", "title:", "2: title: a text is expected, not nothing"),
        ("title: API keys", "title: ~", "2: title: a text is expected, not nothing"),
        ("title: API keys", "title: 2027", "2: title: a text is expected; write `2027` in quotes"),
        ("title: API keys", "title: true", "2: title: a text is expected; write `true` in quotes"),
        ("title: API keys", "title: [a]", "2: title: a text is expected, not a list"),
        ("title: API keys", "title: {a: b}", "2: title: a text is expected, not a mapping"),
        ("title: API keys", "title: ' '", "2: title: must not be empty"),
        ("title: API keys", f"title: {'x' * 301}", "2: title: longer than 300 characters"),
        ("title: API keys", r'title: "a\r\nBcc: x"', "2: title: must be one line without control"),
        ("title: API keys", r'title: "\e[31m"', "2: title: must be one line without control"),
        ("title: API keys", r'title: "\ud800"', "2: title: must be one line without control"),
        ("[US, GB]", "US", "11: calendar.holidays: a list is expected, not `US`"),
        ("{usage: unused}", "unused", "23: cohorts[1].select: a mapping of names to values is exp"),
        ("select: {},", "select: ,", "24: cohorts[2].select: a mapping of names to values is expe"),
        ("required: true", "required: on", "17: reminders[3].required: write true or false withou"),
        ("required: true", "required: 'true'", "17: reminders[3].required: write true or false w"),
        (
            "required: true",
            "if_uncertain: resent",
            "17: reminders[3].if_uncertain: unknown word `resent`; did you mean `resend`?",
        ),
        (
            "required: true",
            "if_uncertain: true",
            "17: reminders[3].if_uncertain: unknown word `true`; it is one of resend, leave",
        ),
        # names that the file gives
        ("deprecation: api-keys", "deprecation: API_keys", "1: deprecation: `API_keys` is no name"),
        ("deprecation: api-keys", "deprecation: -a", "1: deprecation: `-a` is no name"),
        ("deprecation: api-keys", f"deprecation: {'a' * 64}", "1: deprecation: `aaaaaaaaaaaaaaaa"),
        ("cohort: quiet", "cohort: Quiet!", "23: cohorts[1].cohort: `Quiet!` is no name"),
        ("cohort: quiet", r'cohort: "a\eb"', r"23: cohorts[1].cohort: `a\x1bb` is no name"),
        # URLs
        ("https://developers.example.com/keys", "ftp://x/", "4: guide_url: `ftp://x/-to-tokens` i"),
        ("guide_url: https", "guide_url: javascript", "4: guide_url: `javascript://developers"),
        (
            "guide_url: https://developers.example.com/keys",
            "guide_url: https:///",
            "4: guide_url: ",
        ),
        ("guide_url: https://developers", "guide_url: https://[", "4: guide_url: `https://[.exam"),
        ("example.com/keys", "example.com:99999/", "4: guide_url: `https://developers.example.c"),
        ("example.com/keys", "example.com/é", "4: guide_url: `https://developers.example.com/é"),
        ("example.com/keys", "example.com/>;", "4: guide_url: `https://developers.example.com/>;"),
        (
            "url: https://developers.example.com/ac",
            "url: x",
            "3: replacement.url: `xcess-tokens` i",
        ),
        # scope
        ("[rest]", "[rest, ios]", "5: scope.kinds[1]: ios keys are never retired; only rest may"),
        ("[rest]", "[android]", "5: scope.kinds[0]: android keys are never retired; only rest"),
        ("[rest]", "[rets]", "5: scope.kinds[0]: unknown word `rets`; did you mean `rest`?"),
        ("[rest]", "[]", "5: scope.kinds: at least 1 must be listed; there are 0"),
        # calendar
        ("account  ", "Europe/Berlim", "8: calendar.timezone: there is no time zone 'Europe/Berli"),
        ('"16:00"', "16:00", '9: calendar.cutoff_time: write "16:00" in quotes: without them YAM'),
        ('"16:00"', "1600", "9: calendar.cutoff_time: `1600` is no time: write "),
        ('"16:00"', '"24:00"', "9: calendar.cutoff_time: `24:00` is no time"),
        ('"16:00"', '"4 pm"', "9: calendar.cutoff_time: `4 pm` is no time"),
        ('"16:00"', '"16:00Z"', "9: calendar.cutoff_time: `16:00Z` is no time"),
        ("wed, thu]", "wed, thur]", "10: calendar.weekdays[3]: unknown word `thur`; did you mean"),
        (
            "wed, thu]",
            "wed, x]",
            "10: calendar.weekdays[3]: unknown word `x`; it is one of mon, tu",
        ),
        ("[mon, tue, wed, thu]", "[]", "10: calendar.weekdays: at least 1 must be listed"),
        ("[US, GB]", "[US, gb]", "11: calendar.holidays[1]: no holidays are known for 'gb'; did y"),
        ("to: 2027-01-04", "to: 2026-01-04", "12: calendar.freezes[0]: `to` 2026-01-04 is before"),
        ("from: 2026-12-18", "from: 18.12.", "12: calendar.freezes[0].from: a day is expected"),
        ("to: 2027-01-04", "to: 2027-02-30", "12: calendar.freezes[0].to: `2027-02-30` does not"),
        ("to: 2027-01-04", "to: 9999-12-31", "12: calendar.freezes[0].to: `9999-12-31` lies outs"),
        ("to: 2027-01-04", "to: 2027-01-04T00:00:00Z", "12: calendar.freezes[0].to: a day is ex"),
        # dates
        ("announced: 2026-12-01", "announced: soon", "6: announced: a day is expected, such as"),
        ("date: 2027-04-13", "date: 2027-04-13T16:00:00", "24: cohorts[2].date: `2027-04-13T16:00"),
        ("date: 2027-04-13", "date: 2027-13-01", "24: cohorts[2].date: `2027-13-01` does not exi"),
        ("date: 2027-04-13", "date: 2027-04-13T25:00:00Z", "24: cohorts[2].date: `2027-04-13T25:"),
        ("date: 2027-04-13", "date: 0001-01-01", "24: cohorts[2].date: `0001-01-01` lies outside"),
        ("date: 2027-04-13", "date: 9999-12-31T23:59:59-12:00", "24: cohorts[2].date: `9999-12-3"),
        ("date: 2027-04-13", "date: 20270413", "24: cohorts[2].date: a day or an instant is expe"),
        ("date: 2027-04-13", "date: 2027-W15-2", "24: cohorts[2].date: a day or an instant is exp"),
        # reminders
        ("before: 60d", "before: 60d, after: 1d", "14: reminders[0]: exactly one of `before` and "),
        (", before: 60d", "", "14: reminders[0]: exactly one of `before` and `after` is expected"),
        ("before: 60d", "before: 60", "14: reminders[0].before: `60` is no duration: write 60d, 3"),
        ("before: 60d", "before: -60d", "14: reminders[0].before: `-60d` is no duration"),
        ("before: 60d", "before: 12h1d", "14: reminders[0].before: `12h1d` is no duration"),
        ("before: 60d", "before: ''", "14: reminders[0].before: `` is no duration"),
        ("before: 60d", "before: 3651d", "14: reminders[0].before: `3651d` is longer than 3650d"),
        ("before: 60d", "before: 999999999999d", "14: reminders[0].before: `999999999999d` is no"),
        ("before: 60d", "before: ٦d", "14: reminders[0].before: `٦d` is no duration"),
        (
            "only: in_use",
            "only: inuse",
            "16: reminders[2].only: unknown word `inuse`; did you mean",
        ),
        ("only: in_use", "only: often", "16: reminders[2].only: unknown word `often`; it is one o"),
        (
            "only: in_use",
            "only: refused_since_cutoff",
            "16: reminders[2].only: nothing is refused before the cutoff; refused_since_cutoff",
        ),
        (
            "after: 0d}",
            "after: 0d, only: refused_since_cutoff}",
            "18: reminders[4].only: whoever is cut is told so: a step at the deadline takes no `on",
        ),
        ("after: 0d}", "after: 0d, only: in_use}", "18: reminders[4].only: whoever is cut is told"),
        (
            "template: reminder",
            "template: remindr",
            "16: reminders[2].template: there is no templa",
        ),
        (
            "step: disabled",
            "step: disable",
            "18: reminders[4].step: there is no template `disable`",
        ),
        ("step: disabled", "step: zz", "18: reminders[4].step: there is no template `zz`; there "),
        ("step: reminder-2", "step: reminder", "16: reminders[2].step: `reminder` is named twice,"),
        # guards
        ("min_delivered: 1", "min_delivered: 0", "20: guards.min_delivered: must be between 1 an"),
        ("min_delivered: 1", "min_delivered: -1", "20: guards.min_delivered: must be between 1 a"),
        ("min_delivered: 1", "min_delivered: '1'", "20: guards.min_delivered: a whole number wit"),
        ("min_delivered: 1", "min_delivered: 1.5", "20: guards.min_delivered: a whole number wit"),
        ("min_delivered: 1", "min_delivered: 0x1", "20: guards.min_delivered: a whole number wit"),
        ("approvals: 2", "approvals: 11", "20: guards.approvals: must be between 0 and 10, not 11"),
        ("max_keys_per_run: 5000", "max_keys_per_run: 0", "20: guards.max_keys_per_run: must be b"),
        ("unknown_usage: hold", "unknown_usage: unused", "20: guards.unknown_usage: unknown word "),
        ("min_notice: 14d", "usage_window: 0d", "20: guards.usage_window: must be longer than 0d"),
        ("min_notice: 14d", "usage_fresh: 0s", "20: guards.usage_fresh: must be longer than 0d"),
        # selectors
        ("percent: 5", "percent: 0", "22: cohorts[0].select.percent: must be above 0 and at most "),
        ("percent: 5", "percent: 100.1", "22: cohorts[0].select.percent: must be above 0 and at"),
        ("percent: 5", "percent: -5", "22: cohorts[0].select.percent: must be above 0 and at mos"),
        ("percent: 5", "percent: 5%", "22: cohorts[0].select.percent: a number without % and quo"),
        ("percent: 5", "percent: .nan", "22: cohorts[0].select.percent: a number without % and q"),
        ("usage: unused,", "usage: unusd,", "22: cohorts[0].select.usage: unknown word `unusd`; d"),
        ("usage: unused,", "accounts: [],", "22: cohorts[0].select.accounts: at least 1 must be"),
        ("usage: unused,", "accounts: [[]],", "22: cohorts[0].select.accounts[0]: an identifier"),
        ("cohort: quiet", "cohort: canary", "23: cohorts[1].cohort: `canary` is named twice, firs"),
        ("percent: 5", "integration: []", "22: cohorts[0].select.integration: an identifier is"),
    ],
)
def test_a_wrong_value_is_refused_with_its_line_and_path(old: str, new: str, row: str) -> None:
    found = rows(with_(old, new))
    assert len(found) == 1, found
    assert found[0].startswith("deprecation.yaml:" + row)
    assert found[0].isprintable()


def test_a_naive_instant_is_refused_with_the_reason() -> None:
    (row,) = rows(with_("date: 2027-04-13", "date: 2027-04-13T16:00:00"))
    assert row.endswith(
        "`2027-04-13T16:00:00` is another instant in every time zone: add Z or an offset such as "
        "+02:00, or give the day alone and let the calendar choose the time"
    )


@pytest.mark.parametrize("section", [REMINDERS, COHORTS])
def test_a_file_without_reminders_or_cohorts_is_refused(section: str) -> None:
    name, line = section.partition(":")[0], FILE[: FILE.index(section)].count("\n") + 1
    assert rows(FILE.replace(section, f"{name}: []\n")) == [
        f"deprecation.yaml:{line}: {name}: at least 1 must be listed; there are 0"
    ]


@pytest.mark.parametrize("everybody", ["{}", "{percent: 100}"])
def test_cohorts_behind_one_that_takes_everybody_are_refused(everybody: str) -> None:
    text = cohorts(
        f"cohort: all, select: {everybody}, date: 2027-02-02",
        "cohort: unused, select: {usage: unused}, date: 2027-02-09",
        "cohort: rest, select: {}, date: 2027-02-16",
    )
    assert rows(text) == [
        f"deprecation.yaml:{line}: cohorts[{index}]: can never be reached: "
        "cohorts[0] takes every account that it selects"
        for line, index in ((23, 1), (24, 2))
    ]


def test_a_cohort_is_refused_behind_one_that_takes_all_of_its_own() -> None:
    text = cohorts(
        "cohort: unused, select: {usage: unused}, date: 2027-02-02",
        "cohort: canary, select: {usage: unused, percent: 5}, date: 2027-02-09",
        "cohort: rest, select: {}, date: 2027-02-16",
    )
    (row,) = rows(text)
    assert row.startswith("deprecation.yaml:23: cohorts[1]: can never be reached: cohorts[0] takes")


def test_a_growing_percentage_is_a_ramp_and_fine() -> None:
    text = cohorts(
        "cohort: a, select: {percent: 5}, date: 2027-02-02",
        "cohort: b, select: {percent: 20}, date: 2027-02-09",
        "cohort: c, select: {}, date: 2027-02-16",
    )
    assert [cohort.name for cohort in read(text).cohorts] == ["a", "b", "c"]


def test_all_faults_are_reported_together_in_the_order_of_their_lines() -> None:
    text = (
        FILE.replace("title: API", "titel: API")
        .replace('"16:00"', "16:00")
        .replace("percent: 5", "percent: 0")
        .replace("cohort: quiet", "cohort: canary")
        .replace("step: disabled, after: 0d", "step: disable, befor: 0d")
    )
    with pytest.raises(BadRows) as refusal:
        read(text)
    starts = [row.split(" ")[0] + row.split(" ")[1] for row in refusal.value.rows]
    assert starts == [
        "deprecation.yaml:2:titel:",
        "deprecation.yaml:9:calendar.cutoff_time:",
        "deprecation.yaml:18:reminders[4].befor:",
        "deprecation.yaml:18:reminders[4].step:",
        "deprecation.yaml:22:cohorts[0].select.percent:",
        "deprecation.yaml:23:cohorts[1].cohort:",
    ]
    assert refusal.value.message == "deprecation.yaml has 6 faults"
    assert refusal.value.fix == "correct the lines named; nothing was changed"


# What YAML can and this file must not


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("", "1: the file is empty"),
        ("# nothing\n", "1: the file is empty"),
        ("api-keys", "1: a mapping of names to values is expected, not `api-keys`"),
        ("- a", "1: a mapping of names to values is expected, not a list"),
        ("a: [1\nb: 2\n", "2: not YAML: "),
        ("a: 1\n\tb: 2\n", "2: not YAML: "),
        ("a: 1\n...\nb: 2\n", "3: not YAML: "),
        ("a: 1\n---\nb: 2\n", "2: not YAML: "),
        ("a: 1\nb: *nowhere\n", "2: anchors and aliases are not taken: write out what `n"),
        ("%YAML 3.0\n---\na: 1\n", "1: not YAML: "),
        ("a: 1\nb: \x1b[31m\n", "2: not YAML: a control character"),
        ("a: 1\nb: \x00\n", "2: not YAML: a control character"),
        ("\x89PNG\r\n\x1a\n", "1: not YAML: a control character"),
        ("a: " + "[" * 5000, "1: nested too deeply"),
        ("- " * 5000, "1: nested too deeply"),
        ("a: 1\nb: &x 1\n", "2: anchors and aliases are not taken: write out what `x`"),
        ("a: 1\nb: &x [*x]\n", "2: anchors and aliases are not taken: write out what `x`"),
        ("a: 1\nb: !!python/object:os.system ls\n", "2: tags are not taken: remove `tag:yaml.org"),
        ("a: 1\nb: !secret x\n", "2: tags are not taken: remove `!secret`"),
        ("a: 1\nb: !!binary aGk=\n", "2: tags are not taken: remove `tag:yaml.org,2002:binary`"),
        ("a: 1\n" + "#" * 1_000_000, "1: the file is larger than 1 MB"),
        ("a:\n" + "- x\n" * 100_001, "99998: too much for a file"),
        ("".join(f"k{n}: 1\n" for n in range(1001)), "1: more than 1000 names"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(text: str, row: str) -> None:
    found = rows(text)
    assert len(found) == 1, found
    assert found[0].startswith("deprecation.yaml:" + row)
    assert found[0].isprintable()


def test_a_billion_laughs_are_refused_before_they_are_told() -> None:
    laughs = ["a0: &a0 [lol, lol, lol]"]
    laughs += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 50)]
    found = rows("\n".join(laughs))
    assert all("anchors and aliases are not taken" in row for row in found)
    assert {row.split(":")[1] for row in found} == {str(line) for line in range(1, 51)}


@pytest.mark.parametrize("directive", ["%YAML 1.1\n---\n", "%YAML 1.2\n---\n"])
def test_a_yaml_directive_changes_nothing(directive: str) -> None:
    assert read(directive + FILE) == read(FILE)


@given(position=st.integers(0, len(FILE)), junk=st.text(max_size=6), cut=st.integers(0, 30))
def test_a_damaged_file_is_read_or_refused_with_lines_and_never_crashes(
    position: int, junk: str, cut: int
) -> None:
    try:
        read(FILE[:position] + junk + FILE[position + cut :])
        faults = ["deprecation.yaml:0: none"]
    except BadRows as refusal:
        faults = list(refusal.rows)
    assert faults
    assert all(row.startswith("deprecation.yaml:") and row.isprintable() for row in faults)
