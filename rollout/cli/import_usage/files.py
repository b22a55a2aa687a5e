"""Which logs are meant, how they are read, and how far that has come."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from glob import glob, has_magic
from pathlib import Path

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.aws_credential_report import CredentialReport
from rollout.adapters.feeds.files import LogFile
from rollout.adapters.feeds.mapped import load_map
from rollout.adapters.feeds.parallel import counting
from rollout.bootstrap import Rollout
from rollout.cli.import_usage.outcome import Outcome
from rollout.cli.output import err, print_error
from rollout.domain.errors import BadRows
from rollout.services.ports import UsageFeed

# Counts are hundreds of thousands of objects, none of them in a cycle: going over them again and
# again takes a tenth of the time.
FEW_COLLECTIONS = 200_000

PACKINGS = frozenset({".gz", ".zst"})
PACKED = 10  # times larger than its file is a log in one of these, about


def choose_reader(
    log_format: LogFormat | None, map_file: Path | None, as_of: datetime | None
) -> UsageFeed:
    """Return what reads the logs: exactly one of a format and a map must be given."""
    if map_file is not None and log_format is None:
        return load_map(map_file)
    if log_format is None or map_file is not None:
        raise typer.BadParameter("say how the logs are written: --format, or --map with a file")
    if log_format is LogFormat.AWS_CREDENTIAL_REPORT:
        return CredentialReport(as_of)
    if as_of is not None:
        raise typer.BadParameter("--as-of is for --format aws-credential-report")
    return FEEDS[log_format]


def expand(given: Sequence[Path]) -> list[tuple[Path, bool]]:
    """Return the files meant, and of each whether it was only found, in a folder.

    A folder means all files below it; a pattern that the shell has left alone, what it matches.
    """
    found: list[tuple[Path, bool]] = []
    for path in given:
        if path.is_dir():
            found += [(file, True) for file in sorted(path.rglob("*")) if file.is_file()]
        elif has_magic(str(path)) and not path.exists():
            matches = sorted(glob(str(path), recursive=True))  # noqa: PTH207 - absolute patterns
            if not matches:
                raise typer.BadParameter(f"{str(path)!r} matches no file")
            found += expand([Path(match) for match in matches])
        else:
            found.append((path, False))
    return found


def import_files(
    rollout: Rollout, paths: Sequence[tuple[Path, bool]], reader: UsageFeed, outcome: Outcome
) -> None:
    """Take in logs one after the other, and note what becomes of each."""
    in_folder = iter(found for _, found in paths)
    sizes = {path: path.stat().st_size for path, _ in paths if path.is_file()}
    unpacked = sum(
        size * (PACKED if path.suffix in PACKINGS else 1) for path, size in sizes.items()
    )
    gc.set_threshold(FEW_COLLECTIONS)
    with _progress_bar(sum(sizes.values())) as watch, counting(reader, unpacked) as counts:
        for imported in rollout.usage_import.import_logs(
            (LogFile(path, watch) for path, _ in paths),
            reader,
            feed=outcome.feed,
            operator=rollout.settings.operator,
            counting=counts,
        ):
            outcome.files += 1
            only_found = next(in_folder)
            if imported.tally is not None:
                outcome.tally.add(imported.tally)
            elif imported.refused is None:
                outcome.already_imported += 1
            elif only_found and isinstance(imported.refused, BadRows):
                outcome.passed_over.append(imported.log.name)
            else:
                outcome.failed.append((imported.log.name, imported.refused))
                print_error(imported.refused)


@contextmanager
def _progress_bar(size: int) -> Iterator[Callable[[int], None]]:
    """Show how far the files are read, where somebody is looking; is told each step in bytes."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("import", total=size)
        yield lambda step: bar.advance(task, step)
