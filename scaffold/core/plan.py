"""Artifacts × Snapshot → Plan: what must change on disk, computed before anything is written.

The table of ownership (``docs/explanation/ownership.md``), as code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from scaffold.core import stamp
from scaffold.core.diagnostics import Diagnostic, Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scaffold.core.render import Artifact
    from scaffold.core.view import Owner

Action = Literal["create", "update", "delete", "keep", "conflict", "orphan"]


@dataclass(frozen=True)
class Listed:
    """A line of the list: a path that was written once, whose it was, and the RPC it belongs to (or empty)."""

    path: str
    owner: Owner
    rpc: str = ""


@dataclass(frozen=True)
class Snapshot:
    """What is on disk: the bytes of each path of interest (None: absent), and the list."""

    files: Mapping[str, bytes | None]
    listed: Mapping[str, Listed]


@dataclass(frozen=True)
class Change:
    """What happens to one path; ``before`` and ``after`` are its bytes, None where it is absent or simply kept."""

    path: str
    action: Action
    owner: Owner
    before: bytes | None = None
    after: bytes | None = None
    origin: str = ""


@dataclass(frozen=True)
class Plan:
    """Every path that is wanted or listed, with what happens to it, and the list as it will be."""

    changes: tuple[Change, ...] = ()
    listing: tuple[Listed, ...] = ()
    notes: tuple[Diagnostic, ...] = field(default=(), compare=False)

    @property
    def writes(self) -> tuple[Change, ...]:
        """The changes that touch the disk."""
        return tuple(c for c in self.changes if c.action in ("create", "update", "delete"))

    @property
    def conflicts(self) -> tuple[Diagnostic, ...]:
        """Generated files that somebody edited: nothing is written until that is decided."""
        return tuple(_conflict(c) for c in self.changes if c.action == "conflict")

    @property
    def orphans(self) -> tuple[Diagnostic, ...]:
        """Handlers with code of the user's whose RPC is gone."""
        return tuple(_orphan(c, "") for c in self.changes if c.action == "orphan")


def make_plan(artifacts: Iterable[Artifact], snapshot: Snapshot, notes: tuple[Diagnostic, ...] = ()) -> Plan:
    """Decide for each wanted and each listed path what happens to it."""
    wanted = {a.path: a for a in artifacts}
    changes = [_wanted(a, snapshot) for a in wanted.values()]
    changes += [c for path, entry in snapshot.listed.items() if path not in wanted if (c := _unwanted(entry, snapshot))]
    listing = {a.path: Listed(a.path, a.owner, a.rpc) for a in wanted.values()}
    for change in changes:
        if change.path not in listing and change.action != "delete":
            listing[change.path] = snapshot.listed[change.path]
    return Plan(
        tuple(sorted(changes, key=lambda c: c.path)),
        tuple(sorted(listing.values(), key=lambda entry: entry.path)),
        notes,
    )


def _wanted(artifact: Artifact, snapshot: Snapshot) -> Change:
    before = snapshot.files.get(artifact.path)
    listed = artifact.path in snapshot.listed

    def change(action: Action) -> Change:
        if action == "keep":
            return Change(artifact.path, action, artifact.owner, origin=artifact.origin)
        return Change(artifact.path, action, artifact.owner, before, artifact.content, artifact.origin)

    if artifact.content is None:
        return change("keep")
    if before is None:
        # A file of the user's that was there once was deleted on purpose.
        return change("keep" if artifact.owner == "yours" and listed else "create")
    if artifact.owner == "yours" or _same(before, artifact.content):
        return change("keep")
    if _mark(before) is stamp.Mark.INTACT:
        return change("update")
    # A stub that was edited is its user's: that is what it is for.
    return change("keep" if artifact.owner == "stub" else "conflict")


def _unwanted(entry: Listed, snapshot: Snapshot) -> Change | None:
    """What happens to a path that nothing wants any more; None forgets it."""
    before = snapshot.files.get(entry.path)
    if entry.owner == "yours":
        return Change(entry.path, "keep", "yours") if before is not None else None
    if before is None:
        return None
    if _mark(before) is stamp.Mark.INTACT:
        return Change(entry.path, "delete", entry.owner, before, None)
    return Change(entry.path, "orphan" if entry.owner == "stub" else "conflict", entry.owner, before, before)


def _same(before: bytes, after: bytes) -> bool:
    return before == after or before.replace(b"\r\n", b"\n") == after


def _mark(content: bytes) -> stamp.Mark:
    try:
        return stamp.read(content.decode())
    except UnicodeDecodeError:
        return stamp.Mark.NONE


def _conflict(change: Change) -> Diagnostic:
    return Diagnostic(
        "edited-generated-file",
        "this file is generated, and was edited or written by somebody",
        Location(change.path),
        "move what you need out of it and delete the file; it is made again",
    )


def _orphan(change: Change, rpc: str) -> Diagnostic:
    return Diagnostic(
        "orphan",
        "this handler has code of yours, and its RPC is gone from the API",
        Location(change.path),
        "move what you need elsewhere and delete the file",
    )
