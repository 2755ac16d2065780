"""What the user typed about renames, by full names: everything in it that does not exist is a diagnostic."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from scaffold.core import naming
from scaffold.core.diagnostics import Diagnostic, ScaffoldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from scaffold.core.api import Method
    from scaffold.core.differences import Side
    from scaffold.core.lines import Part


class Answers:
    """What was typed, by full names. Raises ScaffoldError with everything that does not exist."""

    def __init__(self, parts: Sequence[Part], renames: Mapping[str, str], no_renames: Iterable[str]) -> None:
        self.renames: dict[str, str] = {}  # RPCs
        self.services: dict[str, str] = {}
        self.declined: set[str] = set()
        self.adopted: list[tuple[Part, str, str]] = []  # orphans, and the RPCs that they get
        self._parts = parts
        self._problems: list[Diagnostic] = []
        for old, new in renames.items():
            self._rename(old, new)
        for old in no_renames:
            name, part = self._find(old)
            if name in {*self.renames, *self.services, *(orphan for _, orphan, _ in self.adopted)}:
                self._problem(f"{old} is said to be renamed, and not to be", "take one of the two options out")
            elif part and name in names_of(part.after):
                self._problem(f"{_shown(name)} is still in the API", "take the option out: nobody takes it for renamed")
            elif name:
                self.declined.add(name)
        ScaffoldError.raise_if(self._problems)

    def typed(self, old: str) -> str:
        """The shortest name that means only this RPC or service, in all components."""
        gone = [name for part in self._parts for name in _gone(part)]
        return next((name for name in (_shown(old), old) if sum(says(name, other) for other in gone) == 1), old)

    def _rename(self, old: str, new: str) -> None:
        name, part = self._find(old)
        if part is None or part.after is None:
            return
        if name not in set(names_of(part.before)):
            self._adopt(name, new, part)
            return
        services = {service for p in self._parts if p.before for service in p.before.services}
        if name in services:
            known, gone = list(part.after.services), name not in part.after.services
            came = [s for s in known if s not in services]
        else:
            before = {m.full_name for p in self._parts if p.before for m in methods(p.before)}
            known = [m.full_name for m in methods(part.after)]
            came, gone = [m for m in known if m not in before], name not in known
        kind = "service" if name in services else "RPC"
        if not gone:
            self._problem(
                f"{_shown(name)} is still in the API", "a rename is of what is gone: `scaffold plan` says what is"
            )
            return
        service = name.rpartition(".")[0]
        matching = [full for full in came if says(new, full)]
        same_service = [m for m in matching if m.rpartition(".")[0] == service]
        matching = same_service if len(same_service) == 1 else matching
        if len(matching) != 1:
            self._no_target(new, kind, known, came, matching)
        elif matching[0] in {*self.renames.values(), *self.services.values()}:
            self._problem(f"two are to become {_shown(matching[0])}", "one handler has one RPC: take one option out")
        else:
            (self.services if kind == "service" else self.renames)[name] = matching[0]

    def _adopt(self, orphan: str, new: str, part: Part) -> None:
        """A handler that lost its RPC in an earlier run gets one that nobody has written yet."""
        assert part.after is not None
        known = [m.full_name for m in methods(part.after)]
        waiting = [name for name in known if part.targets.get(name) in part.free]
        matching = [name for name in waiting if says(new, name)]
        if len(matching) != 1:
            self._no_target(new, "RPC", known, waiting, matching)
            return
        self.adopted.append((part, orphan, matching[0]))

    def _no_target(
        self, new: str, kind: str, known: Sequence[str], came: Sequence[str], matching: Sequence[str]
    ) -> None:
        if len(matching) > 1:
            self._problem(f"{new} can be {' or '.join(matching)}", "write the full name")
            return
        if any(says(new, full) for full in known):
            self._problem(f"{new} was in the API before: what it does has a handler", _choice(new, came, "new are"))
            return
        self._problem(f"there is no {kind} {new} in the API", _choice(new, came, "new are"))

    def _find(self, old: str) -> tuple[str, Part | None]:
        """The RPC or service that was, and its component; nothing, and a problem more, where there is none."""
        found = [(name, part) for part in self._parts for name in _gone(part) if says(old, name)]
        found = found or [(name, part) for part in self._parts for name in names_of(part.before) if says(old, name)][:1]
        if len(found) == 1:
            return found[0]
        if found:
            names = " or ".join(name for name, _ in found)
            self._problem(f"{old} can be {names}", "write the full name")
            return "", None
        gone = [name for part in self._parts for name in _gone(part)]
        self._problem(
            f"there was no {old} when this was generated the last time, or it was renamed already",
            _choice(old, gone, "gone are"),
        )
        return "", None

    def _problem(self, message: str, remedy: str) -> None:
        self._problems.append(Diagnostic("unknown-rename", message, None, remedy))


def _choice(given: str, names: Sequence[str], what: str) -> str:
    shown = [_shown(name) for name in names]
    close = get_close_matches(given, [*shown, *(name.rpartition(".")[2] for name in shown)], n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"{what}: {', '.join(shown)}" if shown else f"{what}: none"


def names_of(side: Side | None) -> Iterator[str]:
    """The full names of a side's services and RPCs."""
    if side is not None:
        yield from side.services
        yield from (m.full_name for m in methods(side))


def _gone(part: Part) -> Iterator[str]:
    """What can have been renamed: services and RPCs that were and are no more, and the RPCs of orphans."""
    now = set(names_of(part.after))
    names = [*names_of(part.before), *(rpc for rpc, path in part.handlers.items() if path in part.theirs)]
    yield from dict.fromkeys(name for name in names if name not in now)


def methods(side: Side) -> list[Method]:
    """The RPCs of a side's services."""
    return [m for name in side.services for m in side.service(name).methods]


def says(typed: str, full_name: str) -> bool:
    """Whether somebody who typed a name can mean this one: it ends in it."""
    return full_name == typed or full_name.endswith(f".{typed}")


def _shown(full_name: str) -> str:
    """An RPC with its service, a service alone: whose name begins in upper case is no package."""
    name = naming.short(full_name)
    return name if name[:1].isupper() else name.rpartition(".")[2]
