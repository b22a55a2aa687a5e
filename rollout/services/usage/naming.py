"""Who calls, by name: known by a signature, found by fan-out, or as people say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rollout.domain.audit import Fact
from rollout.domain.errors import BadInput, Conflict, NotFound
from rollout.domain.usage import Signatures, Source, UserAgentKind
from rollout.domain.usage.fan_out import Fingerprint, infer_network
from rollout.domain.usage.taking import take_for
from rollout.domain.web_address import LONGEST, is_web_address
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.callers import (
    CrowdedSource,
    Decision,
    DueCaller,
    NamedCaller,
    NamedSource,
    Pages,
    TellingSource,
)

BATCH = 1_000  # programs
LONGEST_NAME = 200


class CallerNaming:
    """Names programs as they call, and keeps what people decide about the names."""

    def __init__(self, start: StartUnitOfWork, signatures: Callable[[], Signatures]) -> None:
        self._start = start
        self._load = signatures  # only when they are needed: reading them takes a while

    @property
    def _signatures(self) -> Signatures:
        return self._load()

    def name_due(self) -> int:
        """Look at one batch of the programs that have called lately; return how many."""
        with self._start() as uow:
            changed = uow.callers.use_signatures(self._signatures.digest)
            due = uow.callers.claim_due(BATCH)
            if due or changed:
                self._name(uow, due)
                uow.commit()
        return len(due)

    def name_all(self) -> None:
        """Look at all of them."""
        while self.name_due():
            pass

    def confirm(
        self, name: str, *, operator: str, migration_url: str | None = None
    ) -> Sequence[str]:
        """Say that an integration, or a candidate, is one; return what was taken for it.

        ``migration_url`` is where its maker says how to move: None says nothing about it, an empty
        one that there is no such page, whatever was said before.
        """
        if migration_url and not is_web_address(migration_url, secure=True):
            raise BadInput(
                f"{migration_url!r} is no address that mails can send people to",
                fix=f"give an https:// address of at most {LONGEST} characters, ASCII only",
            )
        said = Decision(name, migration_url)
        return self._decide(name, said, "integration.confirmed", operator)

    def rename(self, name: str, new_name: str, *, operator: str) -> Sequence[str]:
        """Give an integration another name. Raises ``Conflict`` where that is one already."""
        return self._decide(name, Decision(new_name), "integration.renamed", operator, new=True)

    def merge(self, name: str, into: str, *, operator: str) -> Sequence[str]:
        """Say that one integration is another, which exists."""
        said = Decision(into, keep=name == into)
        return self._decide(name, said, "integration.merged", operator, new=False)

    def reject(self, name: str, *, operator: str) -> Sequence[str]:
        """Say that this is no integration: own scripts that look like one, say."""
        said = Decision(None, keep=False)
        return self._decide(name, said, "integration.rejected", operator)

    def _decide(
        self, name: str, said: Decision, action: str, operator: str, *, new: bool | None = None
    ) -> Sequence[str]:
        _check(said.integration)
        with self._start() as uow:
            candidates = _candidates(uow, name)
            if new is not None and said.integration is not None and said.integration != name:
                _check_target(uow, name, said.integration, new=new)
            uow.callers.decide(candidates, said, operator)
            data = {"name": said.integration, "candidates": list(candidates)}
            if said.migration_url is not None:
                data["migration_url"] = said.migration_url
            uow.audit.append([Fact(operator, action, f"integration:{name}", data=data)])
            uow.commit()
        self.name_all()
        return candidates

    def _name(self, uow: UnitOfWork, due: Sequence[DueCaller]) -> None:
        decisions = uow.callers.decisions()
        callers = [self._taken_for(caller, decisions) for caller in due]
        uow.callers.save(callers)
        programs = [caller.user_agent for caller in due]
        telling = uow.callers.telling_sources(programs)
        told = self._sources(telling, decisions)
        crowded = uow.callers.crowded_sources(_nameless(callers), programs)
        placed = [_in_its_network(source, decisions) for source in crowded]
        uow.callers.save_sources(placed, told)
        touched = {caller.integration for caller in due} | {one.integration for one in telling}
        touched |= {caller.integration for caller in callers} | set(told.values())
        touched |= {one.integration for one in crowded} | {one.integration for one in placed}
        names = {name for name in touched if name is not None}
        uow.callers.add_up(names, self._pages(names))

    def _taken_for(self, seen: DueCaller, decisions: Mapping[str, Decision]) -> NamedCaller:
        kind = self._signatures.kind_of(seen.example)
        taken = take_for(self._signatures, seen.example, _fingerprint(seen, kind))
        name = taken.candidate if taken.sure else None
        if taken.candidate is not None:
            name = _decided(decisions, taken.candidate, name)
        found = (taken.candidate, taken.how, taken.confidence, taken.reasons)
        return NamedCaller(seen, kind, *found, integration=name)

    def _sources(
        self, telling: Sequence[TellingSource], decisions: Mapping[str, Decision]
    ) -> dict[bytes, str | None]:
        """Name the sources that say more of themselves than their user agent."""
        sources: dict[bytes, str | None] = {}
        for source in telling:
            named = self._signatures.identify(source.user_agent, source.network, source.client)
            if named is not None:
                sources[source.source_id] = _decided(decisions, named.name, named.name)
        return sources

    def _pages(self, names: set[str]) -> dict[str, Pages]:
        known = {name: self._signatures.get(name) for name in names}
        return {
            name: Pages(found.home_page, found.migration_url)
            for name, found in known.items()
            if found
        }


def _nameless(callers: Sequence[NamedCaller]) -> list[bytes]:
    """Return the crowded sources of programs that nothing speaks for over all networks."""
    return [
        Source(caller.seen.user_agent, network).source_id
        for caller in callers
        if caller.candidate is None and caller.kind != UserAgentKind.BROWSER
        for network in caller.seen.crowded
    ]


def _in_its_network(source: CrowdedSource, decisions: Mapping[str, Decision]) -> NamedSource:
    """Say what a source may be by its network alone; only people make a name of that."""
    inference = infer_network(source.seen) if source.candidate is None else None
    return NamedSource(source, inference, _decided(decisions, source.seen.candidate, None))


def _fingerprint(seen: DueCaller, kind: str) -> Fingerprint:
    return Fingerprint(
        user_agent=seen.user_agent,
        kind=kind,
        accounts=seen.accounts,
        keys=seen.keys,
        networks=seen.networks,
        busiest_network_accounts=seen.busiest_network_accounts,
        active_days=seen.active_days,
        first_at=seen.first_seen,
        last_at=seen.last_seen,
    )


def _decided(
    decisions: Mapping[str, Decision], candidate: str, otherwise: str | None
) -> str | None:
    """Return what people say of a candidate, or what holds while nobody has said anything."""
    decision = decisions.get(candidate)
    return otherwise if decision is None else decision.integration


def _candidates(uow: UnitOfWork, name: str) -> Sequence[str]:
    candidates = uow.callers.candidates_of(name)
    if not candidates:
        raise _unknown(uow, name)
    return candidates


def _check_target(uow: UnitOfWork, name: str, chosen: str, *, new: bool) -> None:
    """Raise an error unless a name is new, or that of an integration, as it must be."""
    exists = bool(uow.callers.candidates_of(chosen))
    if new and exists:
        raise Conflict(
            f"there is an integration {chosen!r} already",
            fix=f"`rollout usage merge` makes {name!r} a part of it",
        )
    if not new and not exists:
        raise _unknown(uow, chosen)


def _unknown(uow: UnitOfWork, name: str) -> NotFound:
    known = ", ".join(uow.callers.names()[:20]) or "none yet"
    return NotFound(
        f"there is no integration {name!r} (known: {known})",
        fix="`rollout usage integrations --candidates` lists them all",
    )


def _check(name: str | None) -> None:
    if name is None:
        return
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadInput(
            f"{name!r} is no name for an integration",
            fix=f"give it at most {LONGEST_NAME} printable characters",
        )
