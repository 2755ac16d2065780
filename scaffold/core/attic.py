"""The attic: what an entry of it is called and says about itself. Its files stand in it at their workspace paths."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scaffold.core.plan import Listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scaffold.core.plan import Plan

ABOUT = "about.json"

_FOLDER = re.compile(r"(?P<number>[0-9]+)-(?P<verb>[a-z]+)-(?P<name>\w+)\Z")


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
        """The entry's folder in the attic."""
        return f"{self.number}-{self.verb}-{self.name}"


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


def about(plan: Plan, listed: Mapping[str, Listed]) -> bytes:
    """The note of the entry that a plan makes: for each file whose it was, and what took its place."""
    files: dict[str, dict[str, str]] = {}
    for change in plan.archived:
        entry = listed.get(change.path)
        about_file = {"owner": entry.owner, "rpc": entry.rpc} if entry else {}
        files[change.path] = {**about_file, "replaced_by": digest(change.after) if change.after is not None else ""}
    note = {"verb": plan.verb, "name": plan.name, "table": plan.table, "files": files}
    return (json.dumps(note, indent=2, ensure_ascii=False) + "\n").encode()


def digest(content: bytes) -> str:
    """SHA-256 of a file, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


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
