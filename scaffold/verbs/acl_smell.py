"""`scaffold acl smell`: which messages look like tables of the monolith."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from scaffold.acl import monolith, smell, snapshot
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError, Severity
from scaffold.core.settings import unknown_component
from scaffold.verbs.generate import compile_api, open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from scaffold.acl.smell import Likeness
    from scaffold.core.api import Api
    from scaffold.core.settings import Settings, Waiver


@dataclass(frozen=True)
class Smelled:
    """Every likeness that was found, and what is to be said of it; ``looked``: how many messages were compared."""

    looked: int
    tables: int
    likenesses: tuple[Likeness, ...]
    found: tuple[Diagnostic, ...]

    @property
    def failed(self) -> bool:
        """Whether something needs somebody."""
        return any(d.severity is Severity.ERROR for d in self.found)


def sniff(
    start: Path, today: date, components: Sequence[str] = (), taken: Path | None = None, *, strict: bool = False
) -> Smelled:
    """Compare the messages of components and layers, of all where none are named, with the snapshot's tables.

    Raises ScaffoldError.
    """
    workspace, settings = open_workspace(start)
    path = taken or workspace.root / settings.smell.snapshot
    tables = snapshot.read(path, str(taken) if taken else settings.smell.snapshot)
    monolith.refuse(tables)
    files = _files(settings, components)
    roots = workspace.roots(settings.protos.roots)
    api, _ = compile_api(roots, files)
    likenesses = smell.likenesses(api, files, tables)
    waivers = {w.message: w for w in settings.smell.waive}
    ScaffoldError.raise_if(_unknown(waivers, api))
    found = [
        replace(told, where=_on_disk(told.where, roots))
        for likeness in smell.copies(likenesses)
        for told in _told(likeness, waivers, today, strict)
    ]
    expired = [_expired(w) for w in waivers.values() if w.until < today]
    return Smelled(
        looked=sum(m.file in files for m in api.message_by_name.values() if not m.map_entry),
        tables=sum(not m.proxy_of for m in tables.own),
        likenesses=likenesses,
        found=(*found, *expired),
    )


def _files(settings: Settings, components: Sequence[str]) -> tuple[str, ...]:
    """The protos of what is named. A layer has an API before there is a component that does: that one is the first written."""
    protos = {a.address: a.protos for a in settings.adapters()}
    protos |= {a.name: a.protos for a in settings.adapters()}
    protos |= {u.name: u.protos for u in settings.components()}
    ScaffoldError.raise_if(unknown_component(name, set(protos)) for name in components if name not in protos)
    return tuple(sorted({p for name in components or protos for p in protos[name]}))


def _on_disk(where: Location | None, roots: Sequence[tuple[str, Path]]) -> Location | None:
    """A place in a proto by its import name as one in a file of the workspace."""
    if where is None:
        return None
    root = next((shown for shown, folder in roots if (folder / where.path).is_file()), "")
    return replace(where, path=f"{root}/{where.path}") if root else where


def _told(likeness: Likeness, waivers: dict[str, Waiver], today: date, strict: bool) -> Iterator[Diagnostic]:
    waiver = waivers.get(likeness.message.full_name)
    fails = strict and likeness.score >= smell.FAIL
    told = Diagnostic(
        "model-copy",
        f"{likeness.message.full_name} looks like {likeness.model.name}, {likeness.score} of 100: {likeness}",
        likeness.message.where,
        "say what callers do and need, not what the table holds; or waive it in scaffold.toml: [[smell.waive]] with a "
        "reason and a day",
        Severity.ERROR if fails else Severity.WARNING,
    )
    if waiver is None or waiver.until < today:
        yield told
    else:
        yield replace(told, severity=Severity.NOTE, remedy=f"waived until {waiver.until}: {waiver.reason}")


def _expired(waiver: Waiver) -> Diagnostic:
    return Diagnostic(
        "waiver-expired",
        f"the waiver of {waiver.message} has ended on {waiver.until}",
        Location("scaffold.toml"),
        "change the message, take the waiver out, or give it another day and say why",
    )


def _unknown(waivers: dict[str, Waiver], api: Api) -> Iterator[Diagnostic]:
    """Waivers of messages that are in none of the workspace's protos."""
    known = api.message_by_name
    for name in waivers:
        if name not in known:
            close = get_close_matches(name, known, n=1)
            remedy = f'did you mean "{close[0]}"?' if close else "take it out"
            yield Diagnostic(
                "unknown-message", f"{name} is waived, and there is no such message", Location("scaffold.toml"), remedy
            )
