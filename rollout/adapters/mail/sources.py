"""Where the texts of letters come from: shipped, in the operator's folder, or in the database.

What lies on top goes before what lies below, file by file.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rollout.domain.errors import BadInput
from rollout.services.ports import Source, StartUnitOfWork

SUFFIXES = frozenset({".txt", ".html", ".po"})
SHIPPED, FOLDER, DATABASE = ORIGINS = ("shipped", "folder", "database")


class Layer(Protocol):
    """A place that has texts, by names such as ``reminder/body.html``."""

    @property
    def origin(self) -> str:
        """What people call it."""
        ...

    def state(self) -> Hashable:
        """Return what is another as soon as a text is. Cheap; raises as ``texts`` does."""
        ...

    def texts(self) -> Mapping[str, str]:
        """Read everything.

        Raises ``BadInput`` for what is no text, ``Unavailable`` where the place does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """Texts that are at hand."""

    origin: str
    by_name: Mapping[str, str]

    def state(self) -> Hashable:
        """Return the same, always."""
        return None

    def texts(self) -> Mapping[str, str]:
        """Return them."""
        return self.by_name


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of a folder, and of the folders in it; one that is absent has none."""

    origin: str
    path: Path
    changes: bool = True  # while we run

    def state(self) -> Hashable:
        """Return names, times and sizes."""
        return tuple((file, *_stat(file)) for file in self._files()) if self.changes else None

    def texts(self) -> Mapping[str, str]:
        """Read the files; raise ``BadInput`` that names one that is no text."""
        files = {file.relative_to(self.path).as_posix(): file for file in self._files()}
        return {name: _read(file, name) for name, file in files.items()}

    def _files(self) -> list[Path]:
        return [file for file in sorted(self.path.glob("*/*")) if file.suffix in SUFFIXES]


@dataclass(frozen=True, slots=True)
class Database:
    """The texts that operators have put into the database."""

    start: StartUnitOfWork
    origin: str = DATABASE

    def state(self) -> Hashable:
        """Return the number of the newest change."""
        with self.start() as uow:
            return uow.templates.newest_change()

    def texts(self) -> Mapping[str, str]:
        """Read them."""
        with self.start() as uow:
            return uow.templates.texts()


@dataclass(frozen=True, slots=True)
class Sources:
    """All texts at one moment."""

    layers: Sequence[tuple[str, Mapping[str, str]]]  # origin and texts, what lies on top first

    def __hash__(self) -> int:
        return hash(tuple((origin, *texts) for origin, texts in self.layers))

    def of(self, name: str) -> Sequence[Source]:
        """Return the texts of that name, the one that counts first; none, if there is none."""
        return [Source(origin, texts[name]) for origin, texts in self.layers if name in texts]

    def names(self) -> frozenset[str]:
        """Return the names of all."""
        return frozenset(name for _, texts in self.layers for name in texts)


@dataclass(slots=True)
class Texts:
    """The texts of some layers, read again when one of them has changed."""

    layers: Sequence[Layer]  # what lies on top first
    _known: tuple[Sequence[Hashable], Sources] = field(default=((), Sources(())), init=False)

    def now(self) -> Sources:
        """Return what there is: the same object while nothing has changed. Raises as layers do."""
        states = [layer.state() for layer in self.layers]  # first: what comes later is seen later
        before, known = self._known
        if states == before:
            return known
        known = Sources([(layer.origin, layer.texts()) for layer in self.layers])
        self._known = states, known
        return known


def layers(shipped: Path, folder: Path | None, database: Layer | None) -> Sequence[Layer]:
    """Return what there is, what lies on top first."""
    over = [] if database is None else [database]
    own = [] if folder is None else [Folder(FOLDER, folder)]
    return [*over, *own, Folder(SHIPPED, shipped, changes=False)]


def _stat(file: Path) -> tuple[int, ...]:
    try:
        stat = file.stat()
    except OSError:  # it went while we looked
        return ()
    return stat.st_mtime_ns, stat.st_size


def _read(file: Path, name: str) -> str:
    try:
        return as_text(file.read_bytes(), name)
    except OSError as error:
        raise BadInput(
            f"{name} cannot be read: {error.strerror}", fix=f"correct or remove {file}"
        ) from error


def as_text(data: bytes, name: str) -> str:
    """Read the bytes of a file; raise ``BadInput`` that names it where they are no text."""
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # which no database takes
        raise BadInput(f"{name} cannot be read: it is no text in UTF-8", fix="correct or remove it")
    return text
