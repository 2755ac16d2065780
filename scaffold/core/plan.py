"""Artifacts × Snapshot × Wishes → Plan: what must change on disk, computed before anything is written.

The table of ownership (``docs/explanation/ownership.md``), as code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from scaffold.core import naming, stamp
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scaffold.core.evolve import Evolution
    from scaffold.core.render import Artifact
    from scaffold.core.view import Owner

Action = Literal["create", "update", "delete", "move", "attic", "keep", "conflict", "orphan"]
_WRITES = ("create", "update", "delete", "move", "attic")


@dataclass(frozen=True)
class Listed:
    """A line of the list: a path that was written once, whose it was, and the RPC it belongs to (or empty)."""

    path: str
    owner: Owner
    rpc: str = ""


@dataclass(frozen=True)
class Snapshot:
    """What is on disk: the bytes of each path of interest (None: absent), and the list.

    ``strangers`` are the files that nobody here wrote, where a verb had to look for them.
    """

    files: Mapping[str, bytes | None]
    listed: Mapping[str, Listed]
    strangers: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Wishes:
    """What the user has typed beyond "do what the protos say". Nothing in here is ever guessed.

    ``renames`` are old → new names as typed (``CartService.EmptyCart`` → ``ClearCart``), ``no_renames`` the old names
    that were not renamed. ``prune`` sends orphans to the attic; ``force`` are conflicts to be decided for us. ``vacate``
    is a component's folder that starts afresh: what the user wrote in files of ours goes to the attic, their handlers
    only without ``keep_handlers``. ``verb`` and ``name`` are what the entry in the attic is called, ``table`` is the text
    of scaffold.toml that it keeps, and ``command`` is what completes an interrupted run.
    """

    renames: Mapping[str, str] = field(default_factory=dict)
    no_renames: frozenset[str] = frozenset()
    prune: bool = False
    force: frozenset[str] = frozenset()
    vacate: str = ""
    keep_handlers: bool = False
    verb: str = "regen"
    name: str = "workspace"
    command: str = "scaffold regen"
    table: str = ""


@dataclass(frozen=True)
class Change:
    """What happens to one path; ``before`` and ``after`` are its bytes, None where it is absent or simply kept.

    A ``move`` brings the user's file ``source`` here, byte for byte. ``attic`` takes a file of theirs away; a ``delete``
    or an ``update`` with ``attic`` set archives the bytes that it takes away or replaces. ``rpc`` is the full name of the
    RPC that the file belongs to, or empty.
    """

    path: str
    action: Action
    owner: Owner
    before: bytes | None = None
    after: bytes | None = None
    origin: str = ""
    source: str = ""
    attic: bool = False
    rpc: str = ""

    @property
    def archived(self) -> bool:
        """Whether the bytes that are there now go to the attic first."""
        return self.attic or self.action == "attic"


@dataclass(frozen=True)
class Plan:
    """Every path that is wanted or listed, with what happens to it, and the list as it will be.

    ``decisions`` are questions to the user: nothing is written while there is one. ``verb``, ``name``, ``command`` and
    ``table`` are those of the wishes. ``evolution`` is what changed in the APIs, where something did.
    """

    changes: tuple[Change, ...] = ()
    listing: tuple[Listed, ...] = ()
    notes: tuple[Diagnostic, ...] = field(default=(), compare=False)
    decisions: tuple[Diagnostic, ...] = ()
    verb: str = "regen"
    name: str = "workspace"
    command: str = "scaffold regen"
    table: str = ""
    evolution: Evolution | None = field(default=None, compare=False)

    @property
    def writes(self) -> tuple[Change, ...]:
        """The changes that touch the disk."""
        return tuple(c for c in self.changes if c.action in _WRITES)

    @property
    def archived(self) -> tuple[Change, ...]:
        """The changes before which bytes go to the attic."""
        return tuple(c for c in self.changes if c.archived)

    @property
    def moves(self) -> tuple[Change, ...]:
        """The moves, each after the one that makes room for it. Raises ScaffoldError where they go round in a circle."""
        rest = {c.path: c for c in self.changes if c.action == "move"}
        ordered: list[Change] = []
        while rest:
            sources = {c.source for c in rest.values()}
            ready = [path for path in rest if path not in sources]
            if not ready:
                raise ScaffoldError(_circle(min(rest)))
            ordered += [rest.pop(path) for path in ready]
        return tuple(ordered)

    @property
    def conflicts(self) -> tuple[Diagnostic, ...]:
        """Generated files that somebody edited: nothing is written until that is decided."""
        return tuple(_conflict(c) for c in self.changes if c.action == "conflict")

    @property
    def orphans(self) -> tuple[Diagnostic, ...]:
        """Files with code of the user's that nothing needs any more: handlers whose RPC is gone, mostly."""
        return tuple(_orphan(c) for c in self.changes if c.action == "orphan")

    @property
    def open(self) -> tuple[Diagnostic, ...]:
        """Everything that somebody has to decide."""
        return (*self.decisions, *self.conflicts, *self.orphans)

    @property
    def blocked(self) -> bool:
        """Whether something has to be decided before anything is written."""
        return bool(self.decisions) or any(c.action == "conflict" for c in self.changes)


def make_plan(
    artifacts: Iterable[Artifact],
    snapshot: Snapshot,
    notes: tuple[Diagnostic, ...] = (),
    *,
    wishes: Wishes | None = None,
    moves: Mapping[str, str] | None = None,
    made: Mapping[str, bytes] | None = None,
    decisions: tuple[Diagnostic, ...] = (),
) -> Plan:
    """Decide for each wanted and each listed path what happens to it.

    ``moves`` are new path → old path of files that follow a rename; one whose old file is absent or untouched needs
    none. ``made`` is what was made once for paths that nothing wants any more: who finds that there has lost nothing when
    it goes. Raises ScaffoldError for a forced path that is in no conflict, and for renames that go round in a circle.
    """
    return _Table({a.path: a for a in artifacts}, snapshot, wishes or Wishes(), moves or {}, made or {}).plan(
        notes, decisions
    )


class _Table:
    """The table of ownership over one snapshot."""

    def __init__(
        self,
        wanted: Mapping[str, Artifact],
        snapshot: Snapshot,
        wishes: Wishes,
        moves: Mapping[str, str],
        made: Mapping[str, bytes],
    ) -> None:
        self._wanted = wanted
        self._listed = snapshot.listed
        self._files = snapshot.files
        self._strangers = snapshot.strangers
        self._wishes = wishes
        self._made = made
        # Only what is somebody's is moved: what is ours is made anew where it belongs.
        self._moves = {new: old for new, old in moves.items() if self._is_theirs(old)}
        self._leaving = set(self._moves.values())

    def plan(self, notes: tuple[Diagnostic, ...], decisions: tuple[Diagnostic, ...]) -> Plan:
        """Every change, and the list that follows from them."""
        blocked = tuple(_occupied(new, old) for new, old in self._moves.items() if not self._is_free(new))
        moved = [] if blocked else [self._moved(new, old) for new, old in self._moves.items()]
        arriving = {change.path for change in moved}
        changes = [*moved, *(self._of_wanted(a) for path, a in self._wanted.items() if path not in arriving)]
        gone = (e for path, e in self._listed.items() if path not in self._wanted and path not in arriving)
        changes += [c for entry in gone if entry.path not in self._leaving and (c := self._of_unwanted(entry))]
        self._check_forced(changes)
        wishes = self._wishes
        plan = Plan(
            tuple(sorted(changes, key=lambda c: c.path)),
            self._listing(changes),
            notes,
            (*decisions, *blocked),
            wishes.verb,
            wishes.name,
            wishes.command,
            wishes.table,
        )
        plan.moves  # noqa: B018 - a circle is found here, before anything is shown
        return plan

    def _listing(self, changes: Iterable[Change]) -> tuple[Listed, ...]:
        listing = {a.path: Listed(a.path, a.owner, a.rpc) for a in self._wanted.values()}
        for change in changes:
            if change.path in listing or change.action in ("delete", "attic"):
                continue
            if entry := self._listed.get(change.source or change.path):
                listing[change.path] = Listed(change.path, entry.owner, entry.rpc)
        return tuple(sorted(listing.values(), key=lambda entry: entry.path))

    # What is wanted.

    def _of_wanted(self, artifact: Artifact) -> Change:
        path, owner = artifact.path, artifact.owner
        before = None if path in self._leaving else self._files.get(path)
        once = made_once(owner, artifact.rpc)

        def change(action: Action, *, attic: bool = False) -> Change:
            if action == "keep":
                return Change(path, action, owner, origin=artifact.origin, rpc=artifact.rpc)
            return Change(path, action, owner, before, artifact.content, artifact.origin, attic=attic, rpc=artifact.rpc)

        if artifact.content is None:
            return change("keep")
        if before is None:
            # One that was there once was deleted on purpose.
            return change("keep" if once and path in self._listed and not self._vacated(path) else "create")
        if _same(before, artifact.content):
            return change("keep")
        if owner != "yours" and stamp.of(before) is stamp.Mark.INTACT:
            return change("update")
        if self._makes_room(path, owner):
            return change("update", attic=True)
        # A stub that was edited is its user's: that is what it is for.
        return change("conflict" if owner == "generated" else "keep")

    # What is listed, and not wanted any more.

    def _of_unwanted(self, entry: Listed) -> Change | None:
        """What happens to a path that nothing wants any more; None forgets it."""
        path, owner = entry.path, entry.owner
        before = self._files.get(path)
        if before is None:
            return None
        if before == self._made.get(path) or (owner != "yours" and stamp.of(before) is stamp.Mark.INTACT):
            return Change(path, "delete", owner, before, None, rpc=entry.rpc)
        if self._makes_room(path, owner) or (owner == "stub" and self._wishes.prune):
            action: Action = "delete" if owner == "generated" else "attic"
            return Change(path, action, owner, before, None, attic=True, rpc=entry.rpc)
        kept: dict[Owner, Action] = {"yours": "keep", "stub": "orphan", "generated": "conflict"}
        content = None if owner == "yours" else before
        return Change(path, kept[owner], owner, content, content, rpc=entry.rpc)

    def _vacated(self, path: str) -> bool:
        return bool(self._wishes.vacate) and path.startswith(f"{self._wishes.vacate}/")

    def _makes_room(self, path: str, owner: Owner) -> bool:
        """Whether the user has said that their bytes at a path go to the attic."""
        if owner == "generated" and path in self._wishes.force:
            return True
        return self._vacated(path) and not (owner == "stub" and self._wishes.keep_handlers)

    # What is moved.

    def _is_theirs(self, path: str) -> bool:
        """Whether there is a file that somebody wrote: a stranger, one of theirs, a handler with their code."""
        if path in self._strangers:
            return True
        before, entry = self._files.get(path), self._listed.get(path)
        if before in (None, self._made.get(path)) or (entry is not None and entry.owner == "generated"):
            return False
        return (entry is not None and entry.owner == "yours") or stamp.of(before) is not stamp.Mark.INTACT

    def _is_free(self, path: str) -> bool:
        """Whether a file can be moved there: nothing is there, or what is leaves, or it is as we would make it."""
        before = self._files.get(path)
        if path in self._leaving or (before is None and path not in self._strangers):
            return True
        artifact = self._wanted.get(path)
        return before is not None and (
            stamp.of(before) is stamp.Mark.INTACT or (artifact is not None and _same(before, artifact.content))
        )

    def _moved(self, new: str, old: str) -> Change:
        artifact, entry = self._wanted.get(new), self._listed.get(old)
        owner = artifact.owner if artifact else entry.owner if entry else "yours"
        content = self._files.get(old)
        before = None if new in self._leaving else self._files.get(new)
        origin, rpc = (artifact.origin, artifact.rpc) if artifact else ("", entry.rpc if entry else "")
        return Change(new, "move", owner, before, content, origin, source=old, rpc=rpc)

    def _check_forced(self, changes: Iterable[Change]) -> None:
        decided = {c.path for c in changes if c.attic}
        ScaffoldError.raise_if(_not_in_conflict(path) for path in sorted(self._wishes.force - decided))


def made_once(owner: Owner, rpc: str) -> bool:
    """Whether a file is made once only, so that being listed and absent says that somebody has deleted it.

    Those of the user's, and a stub without an RPC: nothing fails where it is missing.
    """
    return owner == "yours" or (owner == "stub" and not rpc)


def _same(before: bytes, after: bytes | None) -> bool:
    return before == after or before.replace(b"\r\n", b"\n") == after


def _conflict(change: Change) -> Diagnostic:
    return Diagnostic(
        "edited-generated-file",
        "this file is generated, and was edited or written by somebody",
        Location(change.path),
        f"move what you need out of it, then `scaffold regen --force {change.path}`: the old bytes go to the attic",
    )


def _orphan(change: Change) -> Diagnostic:
    what = f"handler has code of yours, and its RPC {change.rpc} is gone from the API"
    name = naming.short(change.rpc)
    renamed = f"; where it has another name now, `scaffold regen --rename {name}=NEW` moves it" if name else ""
    return Diagnostic(
        "orphan",
        f"this {what if change.rpc else 'file has code of yours, and nothing needs it any more'}",
        Location(change.path),
        f"move what you need elsewhere; `scaffold regen --prune` takes it to the attic{renamed}",
    )


def _occupied(new: str, old: str) -> Diagnostic:
    return Diagnostic(
        "rename-occupied",
        f"{old} is to be moved here, and there is something of yours already",
        Location(new),
        "move one of the two out of the way, and run this again",
    )


def _circle(path: str) -> Diagnostic:
    return Diagnostic(
        "rename-circle",
        "these renames change places with one another, and one of the files would be in the way of the other",
        Location(path),
        "rename one of them to a name that is free first",
    )


def _not_in_conflict(path: str) -> Diagnostic:
    return Diagnostic(
        "not-in-conflict",
        "there is nothing to force: this path is in no conflict",
        Location(path),
        "`scaffold plan` names the files that are",
    )
