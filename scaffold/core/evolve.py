"""Api × Api × Usages → what changed since the last regeneration, which of the user's lines that touches, what to decide.

Every list of lines means "at least": it comes from syntax alone. Of the renames that look likely, only those are a
question that would carry something of the user's; to all others the answer makes no difference.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from scaffold.core import naming, shapes
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.core.differences import Comparison, Difference, Side, compare
from scaffold.core.rows import Reads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from scaffold.core.api import Api, Method
    from scaffold.core.settings import Unit
    from scaffold.core.usages import Source, Use, Vocabulary

SETTINGS = "scaffold.toml"


@dataclass(frozen=True, order=True)
class Line:
    """A line of the user's. ``at_start`` says that its component does not start while it stands like this."""

    path: str
    line: int
    text: str
    at_start: bool = False


@dataclass(frozen=True)
class Caller:
    """Lines of another component that uses this one."""

    component: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Item:
    """One thing that changed, and what it means for what is the user's.

    ``title`` names it, ``notes`` say more. ``rows`` is what becomes of rows that are stored, empty where none has it.
    ``edit`` says that the lines, and those of the callers, have to be edited; else they only name what changed. Of a
    rename, ``why`` is its evidence, ``moves`` the files that it carries (old path, new path), ``commands`` those that
    decide it, yes and no: none where it is decided, or where there is nothing to carry.
    """

    difference: Difference
    title: str
    notes: tuple[str, ...] = ()
    rows: str = ""
    edit: bool = False
    lines: tuple[Line, ...] = ()
    callers: tuple[Caller, ...] = ()
    why: str = ""
    moves: tuple[tuple[str, str], ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def proposed(self) -> bool:
        """Whether somebody has to say yes or no."""
        return bool(self.commands)


@dataclass(frozen=True)
class Section:
    """What changed in the API of one component; ``edits`` are lines that what it uses makes it edit."""

    name: str
    kind: str
    uses: tuple[str, ...] = ()
    items: tuple[Item, ...] = ()
    edits: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Evolution:
    """What changed since the last regeneration, component by component.

    ``moves`` are new path → old path of the handlers that go along with a rename which was asked for.
    """

    sections: tuple[Section, ...] = ()
    moves: Mapping[str, str] = field(default_factory=dict)
    decisions: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True)
class Part:
    """What has to be known of one component.

    ``before`` is None where nothing changed, or where nobody knows what it was. ``handlers`` are the files of RPCs that
    are there, ``theirs`` those of them with code of the user's; ``targets`` are the files that RPCs have from now on,
    ``free`` those of them where nothing of the user's stands. ``words`` are those of the API as it was: it is what the
    sources were written for. ``comments`` are the RPCs whose untouched stubs follow where only comments changed; None
    where it is not so.
    """

    unit: Unit
    before: Side | None = None
    after: Side | None = None
    handlers: Mapping[str, str] = field(default_factory=dict)
    theirs: frozenset[str] = frozenset()
    targets: Mapping[str, str] = field(default_factory=dict)
    free: frozenset[str] = frozenset()
    words: Vocabulary | None = None
    sources: tuple[Source, ...] = ()
    comments: tuple[str, ...] | None = None


def evolve(parts: Sequence[Part], renames: Mapping[str, str], no_renames: Iterable[str] = ()) -> Evolution:
    """Say what changed. ``renames`` and ``no_renames`` are as the user typed them.

    Raises ScaffoldError where they name what does not exist.
    """
    changed = [p for p in parts if p.before is not None and p.after is not None]
    answers = _Answers(parts, renames, no_renames)
    found = [_Part(part, answers) for part in changed]
    callers = {part.unit.name: _Lines(part) for part in parts if part.words is not None}
    sections: dict[str, Section] = {}
    for one in found:
        users = {p.unit.name: callers[p.unit.name] for p in parts if one.part.unit.name in p.unit.uses and p.words}
        items = tuple(one.items(callers.get(one.part.unit.name), users))
        if items:
            unit = one.part.unit
            kind = "external" if unit.external else unit.kind
            sections[unit.name] = Section(unit.name, kind, unit.uses, items)
    for part in parts:
        if part.comments is not None and part.unit.name not in sections:
            sections[part.unit.name] = Section(part.unit.name, part.unit.kind, part.unit.uses, (_comments(part),))
    return Evolution(
        tuple(_with_edits(parts, sections)),
        {new: old for moves in (*(one.moves for one in found), answers.adopted) for old, new in moves},
        tuple(d for one in found for d in one.decisions),
    )


def _comments(part: Part) -> Item:
    names = ", ".join(".".join(name.rsplit(".", 2)[-2:]) for name in part.comments or ())
    notes = (f"the untouched stubs follow: {names}",) if names else ()
    return Item(Difference("comment", "file", part.unit.protos[0], part.unit.protos[0]), "comments only", notes)


def _with_edits(parts: Sequence[Part], sections: Mapping[str, Section]) -> Iterator[Section]:
    """The sections in the order of the components, each with the lines that what it uses makes it edit."""
    edits: dict[str, set[Line]] = {}
    for section in sections.values():
        for item in section.items:
            for caller in item.callers if item.edit else ():
                edits.setdefault(caller.component, set()).update(caller.lines)
    for part in parts:
        name = part.unit.name
        lines = _sorted(edits.get(name, ()))
        if name in sections:
            yield replace(sections[name], edits=lines)
        elif lines:
            yield Section(name, part.unit.kind, part.unit.uses, (), lines)


# What the user said.


class _Answers:
    """What was typed, by full names. Raises ScaffoldError with everything that does not exist."""

    def __init__(self, parts: Sequence[Part], renames: Mapping[str, str], no_renames: Iterable[str]) -> None:
        self.renames: dict[str, str] = {}  # RPCs
        self.services: dict[str, str] = {}
        self.declined: set[str] = set()
        self.adopted: list[tuple[str, str]] = []  # files of orphans, and where they go
        self._parts = parts
        self._problems: list[Diagnostic] = []
        for old, new in renames.items():
            self._rename(old, new)
        for old in no_renames:
            name, _ = self._find(old)
            if old in renames:
                self._problem(f"{old} is said to be renamed, and not to be", "take one of the two options out")
            elif name:
                self.declined.add(name)
        ScaffoldError.raise_if(self._problems)

    def typed(self, name: str) -> str:
        """The shortest that can be typed for an old name and means nothing else, an orphan's of another service, say."""
        known = {old for part in self._parts for old in _old_names(part)}
        short = (
            name.rpartition(".")[2] if any(name in p.before.services for p in self._parts if p.before) else _short(name)
        )
        return short if sum(_says(short, old) for old in known) == 1 else name

    def _rename(self, old: str, new: str) -> None:
        name, part = self._find(old)
        if part is None or part.after is None:
            return
        if name not in set(_names(part.before)):
            self._adopt(name, new, part)
            return
        services = {service for p in self._parts if p.before for service in p.before.services}
        if name in services:
            known, gone = list(part.after.services), name not in part.after.services
            came = [s for s in known if s not in services]
        else:
            before = {m.full_name for p in self._parts if p.before for m in _methods(p.before)}
            known = [m.full_name for m in _methods(part.after)]
            came, gone = [m for m in known if m not in before], name not in known
        kind = "service" if name in services else "RPC"
        if not gone:
            self._problem(
                f"{_short(name)} is still in the API", "a rename is of what is gone: `scaffold plan` says what is"
            )
            return
        service = name.rpartition(".")[0]
        matching = [full for full in came if _says(new, full)]
        same_service = [m for m in matching if m.rpartition(".")[0] == service]
        matching = same_service if len(same_service) == 1 else matching
        if len(matching) != 1:
            self._no_target(new, kind, known, came, matching)
        elif matching[0] in {*self.renames.values(), *self.services.values()}:
            self._problem(f"two are to become {_short(matching[0])}", "one handler has one RPC: take one option out")
        else:
            (self.services if kind == "service" else self.renames)[name] = matching[0]

    def _adopt(self, orphan: str, new: str, part: Part) -> None:
        """A handler that lost its RPC in an earlier run gets one that nobody has written yet."""
        assert part.after is not None
        known = [m.full_name for m in _methods(part.after)]
        waiting = [name for name in known if part.targets.get(name) in part.free]
        matching = [name for name in waiting if _says(new, name)]
        if len(matching) != 1:
            self._no_target(new, "RPC", known, waiting, matching)
            return
        self.adopted.append((part.handlers[orphan], part.targets[matching[0]]))

    def _no_target(
        self, new: str, kind: str, known: Sequence[str], came: Sequence[str], matching: Sequence[str]
    ) -> None:
        if len(matching) > 1:
            self._problem(f"{new} can be {' or '.join(matching)}", "write the full name")
            return
        if any(_says(new, full) for full in known):
            self._problem(f"{new} was in the API before: what it does has a handler", _choice(new, came, "new are"))
            return
        self._problem(f"there is no {kind} {new} in the API", _choice(new, came, "new are"))

    def _find(self, old: str) -> tuple[str, Part | None]:
        """The RPC or service that was, and its component; nothing, and a problem more, where there is none."""
        found = [(name, part) for part in self._parts for name in _old_names(part) if _says(old, name)]
        if len(found) == 1:
            return found[0]
        if found:
            names = " or ".join(name for name, _ in found)
            self._problem(f"{old} can be {names}", "write the full name")
            return "", None
        gone = [n for part in self._parts for n in _names(part.before) if n not in set(_names(part.after))]
        self._problem(
            f"there was no {old} when this was generated the last time, or it was renamed already",
            _choice(old, gone, "gone are"),
        )
        return "", None

    def _problem(self, message: str, remedy: str) -> None:
        self._problems.append(Diagnostic("unknown-rename", message, None, remedy))


def _choice(given: str, names: Sequence[str], what: str) -> str:
    shown = [_short(name) for name in names]
    close = get_close_matches(given, [*shown, *(name.rpartition(".")[2] for name in shown)], n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"{what}: {', '.join(shown)}" if shown else f"{what}: none"


def _names(side: Side | None) -> Iterator[str]:
    if side is not None:
        yield from side.services
        yield from (m.full_name for m in _methods(side))


def _old_names(part: Part) -> Iterator[str]:
    """What can have been renamed: services and RPCs that were, and those of orphans."""
    names = [*_names(part.before), *_names(part.after)]
    yield from dict.fromkeys(_names(part.before))
    yield from (rpc for rpc, path in part.handlers.items() if path in part.theirs and rpc not in names)


def _methods(side: Side) -> list[Method]:
    return [m for name in side.services for m in side.service(name).methods]


def _says(typed: str, full_name: str) -> bool:
    """Whether somebody who typed a name can mean this one: it ends in it."""
    return full_name == typed or full_name.endswith(f".{typed}")


# One component.


class _Part:
    """A component whose API changed: which renames there are, what they carry, and what there is to say of each change."""

    def __init__(self, part: Part, answers: _Answers) -> None:
        assert part.before is not None and part.after is not None
        self.part = part
        self._answers = answers
        self._before, self._after = part.before, part.after
        first = compare(self._before, self._after)
        own = {m.full_name for m in _methods(self._before)}
        given = {old: new for old, new in answers.renames.items() if old in own}
        self._unlikely = first.unlikely
        self._likely = {
            like.old: like
            for like in first.likely
            if like.old not in given and like.old not in answers.declined and like.new not in given.values()
        }
        self._given = given
        names = {**given, **{old: like.new for old, like in self._likely.items()}}
        self._found = compare(self._before, self._after, names) if names else first
        self._pairs = {old: new for old, new in self._found.twins.items() if old in own}
        self._services = self._carried_services(answers)
        self._questions = self._open_questions()
        self.moves = tuple(self._decided_moves())
        self.decisions = tuple(self._decisions())
        self._stored = _stored(part, self._found)

    # Renames.

    def _carried(self, old: str, new: str) -> tuple[str, str] | None:
        """The file that goes along when an RPC is renamed: code of the user's that stands where it is not looked for."""
        source, target = self.part.handlers.get(old), self.part.targets.get(new)
        if source not in self.part.theirs or target not in self.part.free:
            return None
        assert source is not None
        assert target is not None
        return source, target

    def _carried_services(self, answers: _Answers) -> dict[str, tuple[str, bool]]:
        """The services under another name whose handlers are in a folder of that name: new name, and whether asked for."""
        found = {}
        for old, new in self._found.services.items():
            if old != new and self._of_service(old) and old not in answers.declined:
                found[old] = (new, answers.services.get(old) == new)
        return found

    def _of_service(self, service: str) -> list[tuple[str, str]]:
        """What a service's new name carries: the RPCs that kept theirs."""
        pairs = [(old, new) for old, new in self._pairs.items() if old.rpartition(".")[0] == service]
        same = [(old, new) for old, new in pairs if old.rpartition(".")[2] == new.rpartition(".")[2]]
        carried = [self._carried(old, new) for old, new in same]
        return [pair for pair in carried if pair is not None]

    def _open_questions(self) -> dict[str, tuple[str, ...]]:
        """RPCs and services of which nobody has said whether they were renamed, with the commands that say so."""
        found = {old: like.new for old, like in self._likely.items() if self._carried(old, like.new)}
        found |= {old: new for old, (new, asked) in self._services.items() if not asked}
        return {old: self._commands(old, new) for old, new in found.items()}

    def _commands(self, old: str, new: str) -> tuple[str, ...]:
        name = self._answers.typed(old)
        one, other = old.rpartition(".")[0], new.rpartition(".")[0]
        same_service = old in self._pairs and self._found.services.get(one) == other
        target = new.rpartition(".")[2] if same_service or old not in self._pairs else _short(new)
        return f"scaffold regen --rename {name}={target}", f"scaffold regen --no-rename {name}"

    def _decided_moves(self) -> Iterator[tuple[str, str]]:
        for old, new in self._given.items():
            if carried := self._carried(old, new):
                yield carried
        for old, (_, asked) in self._services.items():
            if asked:
                yield from self._of_service(old)

    def _decisions(self) -> Iterator[Diagnostic]:
        for old, (yes, no) in self._questions.items():
            new = self._likely[old].new if old in self._likely else self._services[old][0]
            yield Diagnostic(
                "rename-undecided",
                f"{_short(old) if old in self._likely else old} is gone, and {_short(new)} may be its new name",
                self._where(new),
                f"say so: `{yes}` moves your code along; or not: `{no}` keeps it as an orphan",
            )

    def _where(self, name: str) -> Location | None:
        return next((d.where for d in self._found.differences if d.after == name and d.where.path), None)

    # What there is to say.

    def items(self, own: _Lines | None, users: Mapping[str, _Lines]) -> Iterator[Item]:
        folded = self._folded()
        for difference in self._found.differences:
            if (difference.kind, difference.before) in folded:
                continue
            yield self._item(difference, own, users)

    def _folded(self) -> set[tuple[str, str]]:
        """Messages that were renamed with their RPC: a part of what is said there."""
        pairs = [(d.before, d.after) for d in self._found.differences if (d.what, d.kind) == ("rename", "rpc")]
        return {("message", old) for one, other in pairs for old, _ in self._types(one, other)}

    def _types(self, old: str, new: str) -> list[tuple[str, str]]:
        """The types that went along when an RPC was renamed."""
        before = next(m for m in _methods(self._before) if m.full_name == old)
        after = next(m for m in _methods(self._after) if m.full_name == new)
        pairs = dict.fromkeys([(before.input, after.input), (before.output, after.output)])
        return [(o, n) for o, n in pairs if o != n and self._found.twins.get(o) == n]

    def _item(self, difference: Difference, own: _Lines | None, users: Mapping[str, _Lines]) -> Item:
        lines = self._lines(difference, own, caller=False) if own else ()
        callers = tuple(
            Caller(name, found)
            for name, there in users.items()
            if (found := self._lines(difference, there, caller=True))
        )
        return Item(
            difference,
            self._title(difference),
            tuple(self._notes(difference)),
            self._rows(difference),
            difference.breaks,
            tuple(self._moved(line) for line in lines),
            callers,
            why=self._why(difference),
            moves=tuple(self._moves_of(difference)),
            commands=self._questions.get(difference.before, ()) if difference.what == "rename" else (),
        )

    def _moved(self, line: Line) -> Line:
        """A line of a handler where it stands when the handler has moved."""
        targets = dict(self._all_moves())
        return replace(line, path=targets.get(line.path, line.path))

    def _all_moves(self) -> Iterator[tuple[str, str]]:
        yield from self.moves
        for old in self._questions:
            if old in self._likely:
                carried = self._carried(old, self._likely[old].new)
                yield from (carried,) if carried else ()
            else:
                yield from self._of_service(old)

    def _moves_of(self, difference: Difference) -> Iterator[tuple[str, str]]:
        if difference.what != "rename":
            return
        if difference.kind == "service":
            yield from self._of_service(difference.before) if difference.before in self._services else ()
        elif difference.kind == "rpc" and (carried := self._carried(difference.before, difference.after)):
            yield carried

    def _why(self, difference: Difference) -> str:
        like = self._likely.get(difference.before)
        return like.why if like and difference.what == "rename" else ""

    def _lines(self, difference: Difference, there: _Lines, *, caller: bool) -> tuple[Line, ...]:
        """The lines that name what changed: those to be edited where it breaks, else those to know of."""
        what, kind, before = difference.what, difference.kind, difference.before
        if kind == "rpc" and before and what != "option":
            found = (
                there.of_calls(before) if caller else there.of_handler(before, self.part.handlers.get(before, ""), what)
            )
            if what == "rename":
                found += [
                    line for old, _ in self._types(before, difference.after) for line in there.of_name(old, gone=True)
                ]
            elif what in ("request", "response") and not caller:
                found += there.of_type_in(self._type_before(difference), self.part.handlers.get(before, ""))
            return _sorted(found)
        if kind in ("message", "enum", "value") and before and what in ("remove", "rename"):
            return _sorted(there.of_name(before, gone=True))
        if kind == "value" and before and what == "renumber":
            return _sorted(there.of_name(before))
        if kind == "field" and what in ("remove", "rename", "retype"):
            return _sorted(there.of_field(before))
        if kind == "field" and what in ("add", "renumber", "oneof"):
            message = (before or difference.after).rpartition(".")[0]
            return _sorted(there.of_name(next((o for o, n in self._found.twins.items() if n == message), message)))
        return ()

    def _type_before(self, difference: Difference) -> str:
        method = next(m for m in _methods(self._before) if m.full_name == difference.before)
        return method.input if difference.what == "request" else method.output

    def _title(self, difference: Difference) -> str:
        name, detail = self._shown(difference), difference.detail
        what, kind = difference.what, difference.kind
        if what == "rename":
            before, _, now = detail.partition(" -> ")
            outer = self._relative(difference.before, self._before).removesuffix(before.rpartition(".")[2])
            return f"{'service ' if kind == 'service' else ''}{outer if kind != 'service' else ''}{before} -> {now}"
        if kind == "rpc" and what == "add":
            return f"{name}{detail}"
        if kind in ("message", "enum", "service"):
            name = f"{kind} {name}"
        if what == "reorder":
            return f"{name}: {detail}"
        if kind in ("field", "value") and what in ("add", "remove"):
            return f"{name} {detail}"
        word = {"request": "takes ", "response": "returns "}.get(what, "")
        return f"{name}: {word}{detail}" if detail else name

    def _shown(self, difference: Difference) -> str:
        if difference.after:
            return self._relative(difference.after, self._after)
        return self._relative(difference.before, self._before)

    @staticmethod
    def _relative(name: str, side: Side) -> str:
        """A full name without its package."""
        packages = [p for p in side.api.packages.values() if p and name.startswith(f"{p}.")]
        return name.removeprefix(f"{max(packages, key=len)}.") if packages else name

    def _notes(self, difference: Difference) -> Iterator[str]:
        what, kind, before = difference.what, difference.kind, difference.before
        if kind == "rpc" and what == "remove":
            path = self.part.handlers.get(before)
            if path in self.part.theirs:
                yield f"{path} has code of yours: an orphan; `scaffold regen --prune` takes it to the attic"
                yield from self._why_not(before)
            elif path:
                yield f"{path} goes: it was never edited"
        elif kind == "rpc" and what == "add":
            path = self.part.targets.get(difference.after)
            if path:
                yield f"a new handler: {path}"
        elif kind == "service" and what == "reorder":
            yield "no file depends on the order"
        elif what == "move":
            yield "imports stay as they are: there is one module for each package"
        elif kind == "field" and what == "add" and difference.reads is None and not self._rows(difference):
            yield "no handler has to change"

    def _why_not(self, old: str) -> Iterator[str]:
        """Why an RPC that came is not taken for the one that is gone, and how to say that it is."""
        for like in self._unlikely:
            if like.old == old and like.new not in self._pairs.values():
                reason = like.why_not or "another one is as much like it"
                yes, _ = self._commands(old, like.new)
                yield f"not taken for {_short(like.new)}: {reason}; if it is, `{yes}`"

    # Rows.

    def _rows(self, difference: Difference) -> str:
        """What becomes of rows that are stored; empty where no store keeps what changed."""
        name = difference.before or difference.after
        owner = name if difference.kind in ("message", "enum") else name.rpartition(".")[0]
        if owner not in self._stored or difference.kind not in ("field", "value", "message"):
            return ""
        if difference.kind == "field":
            return self._rows_of_field(difference)
        if difference.kind == "message" and difference.what != "rename":
            return ""
        return _ROWS_OF_VALUE.get(difference.reads, "") if difference.reads is not None else ""

    def _rows_of_field(self, difference: Difference) -> str:
        if difference.what == "add" and difference.reads is None:
            return f"rows written before read {self._default(difference.after)}; no handler has to change"
        if difference.what == "remove":
            return "rows written before keep it, and nothing reads it"
        if difference.what == "add":
            return "rows written before may have another field's value there: take a number that was never used"
        if difference.what == "oneof" and difference.reads is Reads.LAST:
            return "rows that have several of the oneof's fields keep the last one"
        if difference.reads is None or difference.what == "option":
            return ""
        if difference.reads is Reads.DEFAULT:
            return f"rows written before read {self._default(difference.after)}: their bytes have another form"
        return _ROWS[difference.reads]

    def _default(self, name: str) -> str:
        """What a field reads as that is not there."""
        message, _, field_name = name.rpartition(".")
        found = self._after.api.message_by_name[message].field(field_name)
        if found is None or found.presence or found.repeated:
            return "none"
        if found.type == "enum":
            enum = self._after.api.enum_by_name.get(found.type_name)
            return enum.values[0].name if enum and enum.values else "0"
        return {"string": '""', "bytes": 'b""', "bool": "false"}.get(found.type, "0")


_ROWS = {
    Reads.SAME: "rows written before read as before",
    Reads.CUT: "rows written before read; a value that the new type does not have reads as another one",
    Reads.LAST: "rows written before read the last of several values",
    Reads.OTHER: "rows written before read other values",
    Reads.REFUSED: "rows written before may not be readable at all",
}
_ROWS_OF_VALUE = {
    Reads.SAME: "rows written before read as before",
    Reads.DEFAULT: "rows written before lose it: the enum is closed",
    Reads.OTHER: "rows written before have the number, which is another value now",
}


def _stored(part: Part, found: Comparison) -> frozenset[str]:
    """The messages and enums that a store keeps, by their names before and now, with all that is in them."""
    if part.unit.kind != "store" or part.unit.external or part.before is None or part.after is None:
        return frozenset()
    names: set[str] = set()
    for side in (part.before, part.after):
        roots = {shapes.shape(side.api, m).resource for m in _methods(side)}
        names |= _closure(side.api, roots)
    names |= _closure(part.before.api, _Lines(part).kept() if part.words else ())
    return frozenset(names | {found.twins[n] for n in names if n in found.twins})


def _closure(api: Api, names: Iterable[str]) -> set[str]:
    """Messages, and the messages and enums of their fields, at any depth."""
    waiting, seen = [n for n in names if n], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        message = api.message_by_name.get(name)
        waiting += [f.type_name for f in message.fields if f.type_name] if message else []
    return seen


class _Lines:
    """The lines of one component's files, by what they name in the API as it was."""

    def __init__(self, part: Part) -> None:
        assert part.words is not None
        self._part = part
        self._words = part.words
        self._sources = part.sources
        self._api = part.before.api if part.before else None

    def of_name(self, full_name: str, *, gone: bool = False) -> list[Line]:
        """Lines that name a message, an enum or a value; ``gone`` says that the name will not be there."""
        found = []
        for source in self._sources:
            for use in source.uses:
                name = self._full_name(use)
                if name and (name == full_name or name.startswith(f"{full_name}.")):
                    found.append(self._line(source, use, gone and use.at_import and use.how in ("import", "name")))
        return found

    def of_type_in(self, full_name: str, path: str) -> list[Line]:
        """Lines of one file that name a type."""
        return [line for line in self.of_name(full_name) if line.path == path]

    def of_handler(self, rpc: str, path: str, what: str) -> list[Line]:
        """Lines that name an RPC's handler: its function, and those who import it."""
        if not path:
            return []
        module = _module(self._part.unit, path)
        found = []
        for source in self._sources:
            for use in source.uses:
                is_it = use.name == module or use.name.startswith(f"{module}.")
                if not is_it or (source.path == path and use.how != "def"):
                    continue
                if use.how == "def" and use.name != f"{module}.{module.rpartition('.')[2]}":
                    continue
                gone = what == "rename" or (what == "remove" and path not in self._part.theirs)
                if gone or (use.how == "def" and what != "remove"):
                    found.append(self._line(source, use, gone and use.at_import))
        return found

    def of_calls(self, rpc: str) -> list[Line]:
        """Lines that call an RPC of a used component, or stand in for its client."""
        found = []
        for component, clients in self._words.clients.items():
            for attribute, name in clients.items():
                if name == rpc:
                    found += self._of_client(component, attribute)
        return found

    def _of_client(self, component: str, attribute: str) -> list[Line]:
        others = {c for c, names in self._words.clients.items() if c != component and attribute in names}
        found = []
        for source in self._sources:
            for use in source.uses:
                parts = use.name.split(".")
                if use.how == "attribute" and attribute in parts[1:]:
                    before = parts[parts.index(attribute) - 1]
                    if before not in others:
                        found.append(self._line(source, use))
                elif use.how in ("def", "name"):
                    owner, _, last = use.name.rpartition(".")
                    if last == attribute and self._words.classes.get(owner) == component:
                        found.append(self._line(source, use))
                elif use.how == "text" and use.name == attribute and "_" in attribute:
                    found.append(self._line(source, use))
        return found

    def of_field(self, full_name: str) -> list[Line]:
        """Lines that name a field of a message: as an argument, as an attribute, in the path of a mask.

        Which message an attribute is of cannot be seen. Where others have a field of that name too, it counts in files
        only that name the message.
        """
        message, _, name = full_name.rpartition(".")
        python = naming.identifier(name)
        alone = self._owners(name) <= {message}
        found = []
        for source in self._sources:
            near = alone or any(
                (n := self._full_name(use)) and f"{n}.".startswith(f"{message}.") for use in source.uses
            )
            for use in source.uses:
                parts = use.name.split(".")
                full = self._full_name(use) if use.how == "keyword" else ""
                if full == f"{message}.{python}" or (
                    near
                    and (
                        (use.how == "attribute" and python in parts[1:])
                        or (use.how == "keyword" and use.name == f".{python}" and alone)
                        or (use.how == "text" and name in parts and "_" in name)
                    )
                ):
                    found.append(self._line(source, use))
        return found

    def _owners(self, name: str) -> set[str]:
        """The messages of this component's own API that have a field of a name."""
        if self._api is None:
            return set()
        return {m.full_name for m in self._api.message_by_name.values() if m.field(name)}

    def kept(self) -> set[str]:
        """Messages that stand in one line with a Repository: they are kept in a table."""
        found = set()
        for source in self._sources:
            repositories = {
                u.line for u in source.uses if u.how == "name" and u.name.endswith(".gen.runtime.Repository")
            }
            found |= {
                name
                for use in source.uses
                if use.line in repositories and (name := self._full_name(use)) and self._is_message(name)
            }
        return found

    def _is_message(self, name: str) -> bool:
        return self._api is not None and name in self._api.message_by_name

    def _full_name(self, use: Use) -> str:
        """What a use stands for: the full name of a message, an enum, a value, or of a message's field (a keyword)."""
        if use.how in ("attribute", "def"):
            return ""
        head, rest = use.name, list[str]()
        while head and head not in self._words.names:
            head, _, last = head.rpartition(".")
            rest.insert(0, last)
        if not head:
            return ""
        full = self._words.names[head]
        for part in rest:
            full = self._nested(full, part)
        return full

    def _nested(self, full: str, part: str) -> str:
        """What an attribute of a message or an enum is; a value of an enum in a message is the message's attribute too."""
        message = self._api.message_by_name.get(full) if self._api else None
        for enum in message.enums if message else ():
            if any(value.name == part for value in enum.values):
                return f"{enum.full_name}.{part}"
        return f"{full}.{part}"

    def _line(self, source: Source, use: Use, fatal: bool = False) -> Line:
        at_start = fatal and source.path.startswith(f"{self._part.unit.root}/")
        return Line(source.path, use.line, source.text(use.line), at_start)


def _module(unit: Unit, path: str) -> str:
    """The dotted name of a file below a component's source folder."""
    return path.removeprefix(f"{unit.source}/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _sorted(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Each line once; one that keeps its component from starting says so."""
    found: dict[tuple[str, int], Line] = {}
    for line in lines:
        known = found.get((line.path, line.line))
        if known is None or line.at_start:
            found[line.path, line.line] = line
    return tuple(found[key] for key in sorted(found))


def _short(full_name: str) -> str:
    """``shop.cart.v1.CartService.EmptyCart`` → ``CartService.EmptyCart``."""
    return ".".join(full_name.rsplit(".", 2)[-2:])
