"""A map's YAML file."""

from __future__ import annotations

from pathlib import Path as FilePath

from rollout.adapters.feeds.mapped.conditions import AnyOf, Condition, Refusal
from rollout.adapters.feeds.mapped.feed import ALWAYS, NEVER, Map, Mapped
from rollout.adapters.feeds.mapped.file_conditions import ConditionReader
from rollout.adapters.feeds.mapped.file_records import RECORDS, records
from rollout.adapters.feeds.mapped.file_sources import SourceReader, one_text
from rollout.adapters.feeds.mapped.file_times import TimeReader
from rollout.adapters.feeds.mapped.sources import ABSENT, Source, nothing
from rollout.adapters.feeds.reading import printable
from rollout.adapters.yaml_file.document import MAX_BYTES, UnusableError, Value, load
from rollout.adapters.yaml_file.fields import name as name_of
from rollout.adapters.yaml_file.shape import Field, Read, Shape, list_of, read_fields
from rollout.domain.errors import BadInput, BadRows


def load_map(path: FilePath) -> Mapped:
    """Return the feed that a map file describes.

    Raises ``BadRows`` with every fault found, each with its line, and ``BadInput`` for what is no
    file of text.
    """
    shown = printable(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        return read_map(content.decode("utf-8"), shown)
    except OSError as error:
        raise BadInput(
            f"{shown}: it cannot be read ({error.strerror})", fix="is the path right?"
        ) from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{shown}: it is not UTF-8 text", fix="write it in UTF-8") from error


def read_map(text: str, source: str) -> Mapped:
    """Return the feed that a YAML text describes; ``source`` names the file in errors."""
    try:
        return Mapped(_map(load(text)))
    except UnusableError as error:
        rows = [f"{source}:{p.line}: {p.message}" for p in sorted(set(error.problems))]
    count = "1 fault" if len(rows) == 1 else f"{len(rows)} faults"
    raise BadRows(f"{source} has {count}", rows, fix="correct the lines named; docs/maps.md helps")


def _map(root: Value) -> Map:
    absent = _absent(root)
    sources = SourceReader(absent, paths=_has_paths(root))
    fields = read_fields(root, RECORDS | _shape(sources))
    refused = [fields["refused"]] if fields["refused"] else []
    if fields["status"]:
        refused.append(Refusal(fields["status"]))
    return Map(
        name=fields["map"],
        records=records(root, fields, sources.named),
        key=fields["key"],
        at=fields["at"],
        user_agent=fields["user_agent"],
        network=fields["network"],
        account=fields["account"],
        client=fields["client"],
        event_id=fields["event_id"],
        method=fields["method"],
        path=fields["path"],
        refused=AnyOf(tuple(refused)) if refused else NEVER,
        where=fields["where"],
        known_by=frozenset(fields["known_by"]),
    )


def _shape(sources: SourceReader) -> Shape:
    source: Read[Source] = sources.source
    condition: Read[Condition] = ConditionReader(sources).condition
    return {
        "map": Field(name_of),
        "absent": Field(list_of(one_text), ABSENT),
        "key": Field(source),
        "at": Field(TimeReader(sources).time),
        "user_agent": Field(source, nothing),
        "network": Field(source, nothing),
        "account": Field(source, nothing),
        "client": Field(source, nothing),
        "event_id": Field(source, nothing),
        "method": Field(source, nothing),
        "path": Field(source, nothing),
        "status": Field(source, None),
        "refused": Field(condition, None),
        "where": Field(condition, ALWAYS),
        "known_by": Field(list_of(one_text), ()),
    }


def _absent(root: Value) -> frozenset[str]:
    """Read ahead what stands for nothing, which every source must know; its faults come later."""
    value = root.get("absent")
    if value is None:
        return ABSENT
    try:
        return frozenset(list_of(one_text)(value))
    except UnusableError:
        return ABSENT


def _has_paths(root: Value) -> bool:
    """Say whether fields are named by paths, as in JSON, and not by columns."""
    value = root.get("format")
    return value is not None and value.is_scalar() and value.scalar("") in {"json", "ndjson"}
