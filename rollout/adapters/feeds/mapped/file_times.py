"""The part of a map file that says when a record was made."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo

from rollout.adapters.feeds.instants import ACCESS_LOG, Epoch, Iso, Pattern, TimeFormat
from rollout.adapters.feeds.mapped.file_sources import SourceReader, is_mapping, one_text
from rollout.adapters.feeds.mapped.moments import FirstMoment, Moment
from rollout.adapters.feeds.mapped.sources import Record
from rollout.adapters.yaml_file.document import Value, shown
from rollout.adapters.yaml_file.shape import Field, Shape, list_of, read_fields
from rollout.domain.calendar import zone_info
from rollout.domain.errors import BadInput

FORMATS: dict[str, TimeFormat] = {
    "iso": Iso(),
    "access_log": ACCESS_LOG,
    "epoch_s": Epoch(1),
    "epoch_ms": Epoch(1_000),
    "epoch_us": Epoch(1_000_000),
    "epoch_ns": Epoch(1_000_000_000),
}
DIRECTIVE = re.compile("%(.?)")
DIRECTIVES = frozenset("YmdHMSfzbByjIp%")


@dataclass(frozen=True, slots=True)
class TimeReader:
    """Reads times, whose texts stand where ``sources`` can find them."""

    sources: SourceReader

    def time(self, value: Value) -> Callable[[Record], datetime | None]:
        """Read one time, or a list of which the first one that can be read counts."""
        if value.is_scalar():
            return Moment(self.sources.source(value))
        if not is_mapping(value):
            return FirstMoment(list_of(self._one, least=1, most=20)(value))
        return self._one(value)

    def _one(self, value: Value) -> Moment:
        if value.is_scalar():
            return Moment(self.sources.source(value))
        fields = read_fields(value, self.sources.shape() | TIME)
        formats = tuple(_in_zone(read, fields["zone"]) for read in fields["format"])
        return Moment(self.sources.built(value, fields), formats)


def _in_zone(read: TimeFormat, zone: tzinfo) -> TimeFormat:
    return replace(read, zone=zone) if isinstance(read, Iso | Pattern) else read


def _formats(value: Value) -> tuple[TimeFormat, ...]:
    if value.is_scalar():
        return (_format(value),)
    return list_of(_format, least=1, most=10)(value)


def _format(value: Value) -> TimeFormat:
    text = one_text(value)
    if text in FORMATS:
        return FORMATS[text]
    if "%" not in text:
        raise value.unusable(
            f"unknown format `{shown(text)}`; it is one of {', '.join(FORMATS)},"
            ' or a pattern such as "%Y-%m-%d %H:%M:%S"'
        )
    letters = DIRECTIVE.findall(text)
    wrong = next((letter for letter in letters if letter not in DIRECTIVES), None)
    if wrong is not None:
        raise value.unusable(f"`%{shown(wrong)}` is not taken; {_taken()}")
    counted = [letter for letter in letters if letter != "%"]
    if len(set(counted)) < len(counted):
        raise value.unusable("no letter may come twice")
    return Pattern(text)


def _taken() -> str:
    return "there are " + ", ".join(f"%{letter}" for letter in sorted(DIRECTIVES))


def _zone(value: Value) -> tzinfo:
    try:
        return zone_info(value.scalar("an IANA time zone"))
    except BadInput as error:
        raise value.unusable(f"{error.message}; {error.fix}") from None


TIME: Shape = {"format": Field(_formats, (Iso(),)), "zone": Field(_zone, UTC)}
