"""The attic: what an entry of it is called and says about itself. Its files stand in it at their workspace paths."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scaffold.core import stamp
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.core.plan import Change, Listed, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FOLDER = ".scaffold/attic"
ABOUT = "about.json"

_FOLDER = re.compile(r"(?P<number>[0-9]+)-(?P<verb>[a-z]+)-(?P<name>[\w-]+)\Z")


@dataclass(frozen=True)
class Kept:
    """A file in the attic: its line of the list (None: it was not listed), and the digest of what took its place."""

    path: str
    listed: Listed | None = None
    replaced_by: str = ""


@dataclass(frozen=True)
class Entry:
    """What one run has archived. ``files`` are those that are there; ``table`` is the text that left scaffold.toml."""

    number: int
    verb: str
    name: str
    files: tuple[Kept, ...] = ()
    table: str = ""

    @property
    def folder(self) -> str:
        """The entry's folder, from the workspace."""
        return f"{FOLDER}/{self.number}-{self.verb}-{self.name}"

    def place(self, path: str) -> str:
        """Where a file is in the attic, from the workspace."""
        return f"{self.folder}/{path}"


def entry_of(folder: str, files: Iterable[str], about: str) -> Entry | None:
    """The entry in a folder of the attic, from the files there and the text of its note; None where it is no entry.

    A note that is missing or unreadable costs what it says and no file: the files are there or they are not.
    """
    match = _FOLDER.match(folder)
    if match is None:
        return None
    note = _note(about)
    noted = note.get("files")
    kept = tuple(_kept(path, noted if isinstance(noted, dict) else {}) for path in sorted(files) if path != ABOUT)
    table = note.get("table")
    return Entry(int(match["number"]), match["verb"], match["name"], kept, table if isinstance(table, str) else "")


def about(entry: Entry, plan: Plan, listed: Mapping[str, Listed]) -> bytes:
    """The note of the entry that a plan makes: for each file whose it was, and what took its place.

    What an interrupted run has noted in it stays.
    """
    kept = {file.path: file for file in entry.files}
    for change in plan.archived:
        after = digest(change.after) if change.after is not None else ""
        kept[change.path] = Kept(change.path, listed.get(change.path), after)
    files = {
        path: {**({"owner": k.listed.owner, "rpc": k.listed.rpc} if k.listed else {}), "replaced_by": k.replaced_by}
        for path, k in sorted(kept.items())
    }
    note = {"verb": plan.verb, "name": plan.name, "table": plan.table or entry.table, "files": files}
    return (json.dumps(note, indent=2, ensure_ascii=False) + "\n").encode()


def digest(content: bytes) -> str:
    """SHA-256 of a file, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Chosen:
    """A file that is to come back, and the entry that it is in."""

    entry: Entry
    file: Kept

    @property
    def source(self) -> str:
        """Where it is now."""
        return self.entry.place(self.file.path)


def choose(entries: Iterable[Entry], wanted: str) -> tuple[Chosen, ...]:
    """The files that are meant by an entry's number, its folder, or the path of a file: then the newest that there is.

    Raises ScaffoldError where that is nothing, or more than one entry.
    """
    entries = sorted(entries, key=lambda e: -e.number)
    wanted = wanted.rstrip("/")
    named = [e for e in entries if wanted in (str(e.number), e.folder, e.folder.rpartition("/")[2])]
    if len(named) > 1:
        raise ScaffoldError(_ambiguous(wanted, named))
    if named:
        return tuple(Chosen(named[0], file) for file in named[0].files)
    for chosen in (Chosen(entry, file) for entry in entries for file in entry.files):
        if wanted in (chosen.file.path, chosen.source):
            return (chosen,)
    raise ScaffoldError(_not_in_the_attic(wanted))


def restoration(
    chosen: Iterable[Chosen],
    empty: Iterable[Entry],
    files: Mapping[str, bytes | None],
    notes: Mapping[str, bytes],
    listed: Mapping[str, Listed],
) -> Plan:
    """The plan that brings files back: each moves to where it was. An entry that is empty then goes.

    ``empty`` are entries of which an interrupted run has brought everything back, and left the note.

    ``files`` are the bytes here and in the attic, ``notes`` those of the notes of the entries. What we wrote in the place
    of a file, and nobody has edited since, is replaced. Raises ScaffoldError for each file that something else is in the
    place of.
    """
    chosen = tuple(chosen)
    ScaffoldError.raise_if(_in_the_way(c) for c in chosen if not _is_free(c, files))
    listing = dict(listed)
    changes = []
    for one in chosen:
        path, kept = one.file.path, one.file.listed
        entry = listed.get(path) or kept or Listed(path, "yours")
        changes.append(Change(path, "move", entry.owner, files[path], files[one.source], "attic", one.source))
        if kept is not None:
            listing.setdefault(path, kept)
    for emptied in (*whole(chosen), *empty):
        note = emptied.place(ABOUT)
        if note in notes:
            changes.append(Change(note, "delete", "generated", notes[note], None))
    return Plan(tuple(changes), tuple(sorted(listing.values(), key=lambda e: e.path)), verb="restore")


def whole(chosen: Iterable[Chosen]) -> tuple[Entry, ...]:
    """The entries of which every file has been chosen."""
    chosen = tuple(chosen)
    entries = {c.entry.folder: c.entry for c in chosen}.values()
    return tuple(e for e in entries if {c.file for c in chosen if c.entry == e} == set(e.files))


def _is_free(chosen: Chosen, files: Mapping[str, bytes | None]) -> bool:
    here = files[chosen.file.path]
    if here is None or here == files[chosen.source] or digest(here) == chosen.file.replaced_by:
        return True
    return chosen.file.replaced_by != "" and stamp.of(here) is stamp.Mark.INTACT


def _in_the_way(chosen: Chosen) -> Diagnostic:
    return Diagnostic(
        "restore-occupied",
        "something else is there now, and would be lost",
        Location(chosen.file.path),
        f"move it away and run this again, or take what you need out of {chosen.source}",
    )


def _not_in_the_attic(wanted: str) -> Diagnostic:
    return Diagnostic(
        "not-in-the-attic",
        f'"{wanted}" is neither an entry of the attic nor a file in one',
        Location(FOLDER),
        "`scaffold restore` lists what is there, by number and path",
    )


def _ambiguous(wanted: str, entries: Iterable[Entry]) -> Diagnostic:
    folders = ", ".join(sorted(entry.folder.rpartition("/")[2] for entry in entries))
    return Diagnostic(
        "not-in-the-attic",
        f"{wanted} is the number of several entries, made on branches that have been merged",
        Location(FOLDER),
        f"name the one you mean: {folders}",
    )


def _note(text: str) -> dict[str, Any]:
    try:
        note = json.loads(text)
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}


def _kept(path: str, noted: Mapping[str, object]) -> Kept:
    about_file = noted.get(path)
    if not isinstance(about_file, dict):
        return Kept(path)
    owner, rpc, replaced_by = (about_file.get(key, "") for key in ("owner", "rpc", "replaced_by"))
    entry = Listed(path, owner, str(rpc)) if owner in ("generated", "stub", "yours") else None
    return Kept(path, entry, str(replaced_by))
