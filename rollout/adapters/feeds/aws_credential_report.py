"""The AWS IAM credential report: when each user's two keys were last used, and nothing else.

The report has no key ids, only two slots for each user: the second slot of Jane is
``arn:aws:iam::123456789012:user/jane#2``. Slots without a key are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from rollout.adapters.feeds.instants import Iso
from rollout.adapters.feeds.lines import Line, numbered_lines
from rollout.adapters.feeds.mapped.cells import split_quoted
from rollout.adapters.feeds.reading import field
from rollout.domain.errors import BadInput
from rollout.services.ports import Keyless, LastUse, Log, Reading, Unreadable

SLOTS = ("1", "2")
NO_KEY = "N/A"  # also what stands for a key that was never used
YES_OR_NO = {"true": True, "false": False}
COLUMNS = ("arn", *(f"access_key_{slot}_{end}" for slot in SLOTS for end in (
    "active", "last_rotated", "last_used_date",
)))  # fmt: skip
MOST_CELLS = 200
MOST_READINGS = 100_000  # AWS allows 5,000 users in an account
_NOT_YET = datetime.min.replace(tzinfo=UTC)
_INSTANT = Iso()

Row = dict[str, str]


class CredentialReport:
    """Implements ``services.ports.UsageFeed``.

    The file does not say when it was made: ``as_of`` does, the ``GeneratedTime`` of
    GetCredentialReport. Without it the report counts as of the newest use that it tells of, for
    it cannot be older; better too old than a key called unused for days that nobody looked at.
    """

    name = "aws-credential-report"
    by_line = False  # the first line says what stands where in the others

    def __init__(self, as_of: datetime | None = None) -> None:
        self._as_of = as_of

    def read(self, log: Log) -> Iterator[Reading]:
        """Stream the readings of a log."""
        if self._as_of:
            for reading, _newest in self._rows(log, self._as_of):
                yield reading
            return
        readings, newest = [], _NOT_YET
        for reading, known in self._rows(log, None):
            readings.append(reading)
            newest = max(newest, known)
            if len(readings) > MOST_READINGS:
                raise BadInput(f"{log.name}: too long for a credential report")
        if newest == _NOT_YET and any(isinstance(reading, LastUse) for reading in readings):
            raise BadInput(
                f"{log.name}: it tells of no use at all, so that nothing says when it was made",
                fix="give the time that AWS made it at (GeneratedTime of GetCredentialReport)",
            )
        for reading in readings:
            yield _dated(reading, newest)

    def _rows(self, log: Log, as_of: datetime | None) -> Iterator[tuple[Reading, datetime]]:
        """Stream the readings, each with the newest instant that its row is sure of."""
        names: list[str] = []
        for line in numbered_lines(log):
            if isinstance(line, Unreadable):
                yield line, _NOT_YET
                continue
            cells = split_quoted(line.raw.decode("utf-8-sig", "replace"), ",", MOST_CELLS) or []
            if not names:
                names = _header(log, cells)
            elif len(cells) != len(names):
                yield line.unreadable(f"has {len(cells)} fields, not {len(names)}"), _NOT_YET
            else:
                row = dict(zip(names, cells, strict=True))
                newest = _newest(row)
                for reading in _user(line, row, as_of):
                    yield reading, newest


def _header(log: Log, cells: list[str]) -> list[str]:
    if missing := [column for column in COLUMNS if column not in cells]:
        raise BadInput(
            f"{log.name}: not a credential report, for it has no column {missing[0]}",
            fix="is it of another --format?",
        )
    return cells


def _newest(row: Row) -> datetime:
    """Return the newest use that a row tells of, of a key or of the password.

    Days of creation and rotation do not count: the reports that we have seen hold some of 2099.
    """
    columns = ("password_last_used", *(f"access_key_{slot}_last_used_date" for slot in SLOTS))
    return max((_INSTANT(row.get(column, "")) or _NOT_YET) for column in columns)


def _user(line: Line, row: Row, as_of: datetime | None) -> Iterator[Reading]:
    """Yield what a row says of each key of its user."""
    found = [reading for slot in SLOTS if (reading := _slot(line, row, slot, as_of))]
    yield from found or [Keyless(None, "", "")]


def _slot(line: Line, row: Row, slot: str, as_of: datetime | None) -> Reading | None:
    arn = field(row["arn"])
    active = YES_OR_NO.get(row[f"access_key_{slot}_active"].lower())
    rotated = row[f"access_key_{slot}_last_rotated"]
    used = row[f"access_key_{slot}_last_used_date"]
    last_used = _INSTANT(used)
    if not arn.startswith("arn:") or active is None:
        return line.unreadable(f"the arn, or access_key_{slot}_active, is not one")
    if not active and NO_KEY == rotated == used:
        return None
    if last_used is None and used != NO_KEY:
        return line.unreadable(f"access_key_{slot}_last_used_date is not a time")
    if last_used and as_of and last_used > as_of:
        return line.unreadable(f"key {slot} was used after the report is said to be made")
    parts = arn.split(":")
    return LastUse(
        key_id=f"{arn}#{slot}",
        account_id=parts[4] or None if len(parts) > 4 else None,  # noqa: PLR2004 - arn:aws:iam::ID:
        last_used=last_used,
        as_of=as_of or _NOT_YET,
        active=active,
    )


def _dated(reading: Reading, as_of: datetime) -> Reading:
    return replace(reading, as_of=as_of) if isinstance(reading, LastUse) else reading
