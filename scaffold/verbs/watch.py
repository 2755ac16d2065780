"""`scaffold regen --watch`: a regeneration for every save of a proto or of scaffold.toml."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.shell.watcher import SETTINGS, Seen, Watcher, changed
from scaffold.shell.workspace import Workspace
from scaffold.verbs.regen import Outcome, regen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def watch(start: Path) -> Iterator[Run]:
    """Regenerate at once, and again after every change, for ever. Raises ScaffoldError where there is no workspace.

    What goes wrong in a run is reported, and waited out: the next save may mend it. Ctrl-C is a KeyboardInterrupt, after
    a run that has begun.
    """
    root = Workspace.find(start).root
    watcher = Watcher(root)
    # Looked at before the run: what is saved while it lasts is seen afterwards.
    seen = watcher.look()
    yield (last := _run(root, ()))
    while True:
        time.sleep(watcher.pause)
        now = _settled(watcher, seen)
        paths = changed(seen, now)
        if not paths and not last.busy:
            continue
        seen = now
        waiting, last = last.busy, _run(root, paths or last.changed)
        if not (waiting and last.busy):  # that somebody else is writing is said once
            yield last


def _settled(watcher: Watcher, seen: Seen) -> Seen:
    """What there is to see when nothing moves any more."""
    begun = time.monotonic()
    before, now = seen, watcher.look()
    while now != before and time.monotonic() - begun < _PATIENCE_SECONDS:
        time.sleep(_SETTLE_SECONDS)
        before, now = now, watcher.look()
    return now


@contextmanager
def _finished_first() -> Iterator[None]:
    """Ctrl-C waits for what has begun; a second one does not."""
    noted = False

    def note(*_: object) -> None:
        nonlocal noted
        noted = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if noted:  # also where it ended in an error: that is said by nobody any more
            raise KeyboardInterrupt


def _run(root: Path, paths: tuple[str, ...]) -> Run:
    begun = time.perf_counter()
    try:
        if not (root / SETTINGS).is_file():  # never go on with a workspace around this one
            raise ScaffoldError(_gone(root))
        with _finished_first():
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
