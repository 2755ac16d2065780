"""`scaffold acl introspect`: the snapshot of a monolith, and the map that is in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.acl import compare, monolith, seams, snapshot
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scaffold.acl.monolith import Monolith
    from scaffold.acl.seams import Seam
    from scaffold.acl.snapshot import Snapshot


@dataclass(frozen=True)
class Taken:
    """What an introspection has found. ``changes``: against the snapshot that was there; ``seam``: of the chosen models."""

    snapshot: Snapshot
    notes: tuple[Diagnostic, ...] = ()
    changes: tuple[Diagnostic, ...] = ()
    seam: Seam | None = None


def take(what: Monolith, output: Path, shown: str, models: Sequence[str] = (), *, check: bool = False) -> Taken:
    """Introspect, and write the snapshot, unless ``check`` asks only whether it is as it was. Raises ScaffoldError."""
    before = snapshot.read(output, shown) if check else _before(output, shown)
    found = monolith.introspect(what)
    seam = _seam(found.snapshot, models)
    changes = tuple(compare.compare(before, found.snapshot)) if before else ()
    if not check:
        _write(output, shown, found.text)
    return Taken(found.snapshot, found.notes, changes, seam)


def look(path: Path, shown: str, models: Sequence[str] = ()) -> Taken:
    """What a snapshot says that was taken before, perhaps on another machine. Raises ScaffoldError."""
    found = snapshot.read(path, shown)
    monolith.refuse(found)
    return Taken(found, seam=_seam(found, models))


def _before(output: Path, shown: str) -> Snapshot | None:
    """The snapshot that is to be replaced; one that cannot be read is not missed."""
    try:
        return snapshot.read(output, shown)
    except ScaffoldError:
        return None


def _seam(found: Snapshot, models: Sequence[str]) -> Seam | None:
    return seams.seam(found, seams.choose(found, models)) if models else None


def _write(path: Path, shown: str, text: str) -> None:
    """Replace the file in one step, so that nobody reads half of it."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise ScaffoldError(
            Diagnostic(
                "snapshot-unwritable",
                f"it cannot be written: {error.strerror}",
                Location(shown),
                "name another place: --output PATH, in a folder that is there",
            )
        ) from None
