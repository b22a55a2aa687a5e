"""The notices section: when people may be written to."""

from __future__ import annotations

import re
from datetime import time

from rollout.adapters.deprecation_file.calendar import WEEKDAYS, freeze
from rollout.adapters.yaml_file.document import Value, shown
from rollout.adapters.yaml_file.fields import one_of, some_duration
from rollout.adapters.yaml_file.shape import Field, Shape, list_of, read_fields
from rollout.domain.plan import NoticeRules, ReadingHours

CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
HOURS = re.compile(f"({CLOCK})-({CLOCK}|24:00)")
MIDNIGHT = "24:00"
ANY_HOUR = (time.min, time.max)
EVERY_DAY = frozenset(WEEKDAYS.values())


def notice_rules(value: Value) -> NoticeRules:
    """Read the notices section. What it does not limit is open."""
    fields = read_fields(value, NOTICES)
    limits = [fields[name] for name in ("hours", "weekdays", "quiet")]
    if not any(limits):
        return NoticeRules(spacing=fields["spacing"])
    hours, weekdays, quiet = limits
    opens, closes = hours or ANY_HOUR
    return NoticeRules(ReadingHours(opens, closes, weekdays or EVERY_DAY, quiet), fields["spacing"])


def _hours(value: Value) -> tuple[time, time]:
    words = value.scalar('hours such as "09:00-17:00"')
    match = HOURS.fullmatch(words)
    if match is None:
        raise value.unusable(f'`{shown(words)}` are no hours: write "09:00-17:00"')
    closes = time.max if match[2] == MIDNIGHT else time.fromisoformat(match[2])
    if (opens := time.fromisoformat(match[1])) >= closes:
        raise value.unusable(f"`{words}` ends before it begins; a day has one stretch of hours")
    return opens, closes


def _weekdays(value: Value) -> frozenset[int]:
    return frozenset(list_of(one_of(WEEKDAYS), least=1)(value))


NOTICES: Shape = {
    "hours": Field(_hours, None),
    "weekdays": Field(_weekdays, None),
    "quiet": Field(list_of(freeze), ()),
    "spacing": Field(some_duration, None),
}
