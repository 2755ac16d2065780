"""`scaffold regen --watch`: a regeneration for every save of a proto or of scaffold.toml."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.shell.watcher import SETTINGS, Seen, Watcher, changed
from scaffold.shell.workspace import Workspace
from scaffold.verbs.regen import Outcome, regen

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from threading import Event

# Editors write in several steps: a save is over when two looks agree. Whoever writes on and on is not waited for longer.
_SETTLE_SECONDS = 0.05
_PATIENCE_SECONDS = 2.0


@dataclass(frozen=True)
class Run:
    """One regeneration: what had changed, and its outcome or what was wrong."""

    changed: tuple[str, ...]
    seconds: float
    outcome: Outcome | None = None
    problems: tuple[Diagnostic, ...] = ()

    @property
    def busy(self) -> bool:
        """Another scaffold is writing: it has to be tried again."""
        return [d.slug for d in self.problems] == ["workspace-busy"]


def watch(start: Path, report: Callable[[Run], None], stop: Event) -> None:
    """Regenerate at once, and again after every change, until ``stop`` is set. Raises ScaffoldError without a workspace.

    What goes wrong in a run is reported, and waited out: the next save may mend it.
    """
    root = Workspace.find(start).root
    watcher = Watcher(root)
    # Looked at before the run: what is saved while it lasts is seen afterwards.
    seen = watcher.look()
    last = _run(root, ())
    report(last)
    while not stop.wait(watcher.pause):
        now = _settled(watcher, watcher.look(), seen, stop)
        paths = changed(seen, now)
        if not paths and not last.busy:
            continue
        seen = now
        again = last.busy
        last = _run(root, paths or last.changed)
        if not (again and last.busy):
            report(last)


def _settled(watcher: Watcher, now: Seen, seen: Seen, stop: Event) -> Seen:
    """What there is to see when nothing moves any more."""
    begun = time.monotonic()
    while now != seen and time.monotonic() - begun < _PATIENCE_SECONDS and not stop.wait(_SETTLE_SECONDS):
        before, now = now, watcher.look()
        if now == before:
            break
    return now


def _run(root: Path, paths: tuple[str, ...]) -> Run:
    begun = time.perf_counter()
    try:
        if not (root / SETTINGS).is_file():  # never go on with a workspace around this one
            raise ScaffoldError(_gone(root))
        outcome = regen(root)
    except ScaffoldError as error:
        return Run(paths, time.perf_counter() - begun, problems=error.diagnostics)
    return Run(paths, time.perf_counter() - begun, outcome)


def _gone(root: Path) -> Diagnostic:
    return Diagnostic(
        "no-workspace",
        f"{SETTINGS} is gone",
        Location(str(root)),
        "put it back; it is waited for",
    )
