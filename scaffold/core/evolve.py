"""Api × Api × Usages → what changed since the last regeneration, which of the user's lines that touches, what to decide.

Every list of lines means "at least": it comes from syntax alone. Of the renames that look likely, only those are a
question that would carry something of the user's; to all others the answer makes no difference.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from scaffold.core import naming, shapes
from scaffold.core.diagnostics import Diagnostic, Location
from scaffold.core.differences import Comparison, Difference, Side, compare
from scaffold.core.lines import Line, Lines, Part, distinct
from scaffold.core.renames import Answers, methods
from scaffold.core.rows import Reads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from scaffold.core.api import Api, Method


@dataclass(frozen=True)
class Caller:
    """Lines of another component that uses this one, or of a layer over it; ``edit``: they have to be edited anyway."""

    component: str
    lines: tuple[Line, ...]
    edit: bool = False


@dataclass(frozen=True)
class Move:
    """A file of the user's that goes along with a rename, and how many lines it has."""

    source: str
    target: str
    lines: int = 0


@dataclass(frozen=True)
class Item:
    """One thing that changed, and what it means for what is the user's.

    ``title`` names it, ``notes`` say more. ``rows`` is what becomes of rows that are stored, empty where none has it.
    ``edit`` says that the lines, and those of the callers, have to be edited; else they only name what changed:
    ``about`` is what they name. ``along`` are messages that came, went or were renamed with an RPC. Of a rename, ``why``
    is its evidence, ``moves`` the files that it carries, ``commands`` those that decide it, yes and no: none where it is
    decided, or where there is nothing to carry.
    """

    difference: Difference
    title: str
    notes: tuple[str, ...] = ()
    rows: str = ""
    edit: bool = False
    lines: tuple[Line, ...] = ()
    callers: tuple[Caller, ...] = ()
    why: str = ""
    moves: tuple[Move, ...] = ()
    commands: tuple[str, ...] = ()
    about: str = ""
    along: tuple[str, ...] = ()

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

    @property
    def pending(self) -> tuple[Move, ...]:
        """What renames would carry of which nobody has said whether they are any."""
        return tuple(move for s in self.sections for item in s.items if item.proposed for move in item.moves)


def evolve(
    parts: Sequence[Part],
    renames: Mapping[str, str],
    no_renames: Iterable[str] = (),
    places: Mapping[str, str] | None = None,
) -> Evolution:
    """Say what changed. ``renames`` and ``no_renames`` are as the user typed them.

    ``places`` are the paths of protos that a user would open, by the names that they are imported by.

    Raises ScaffoldError where they name what does not exist.
    """
    changed = [p for p in parts if p.before is not None and p.after is not None]
    answers = Answers(parts, renames, no_renames)
    found = [_Part(part, answers, places or {}) for part in changed]
    callers = {part.unit.address: Lines(part) for part in parts if part.words is not None}
    sections: dict[str, Section] = {}
    for one in found:
        users = {p.unit.address: callers[p.unit.address] for p in parts if one.part.unit.address in p.knows and p.words}
        items = tuple(one.items(callers.get(one.part.unit.address), users))
        if items:
            unit = one.part.unit
            kind = "external" if unit.external else unit.kind
            sections[unit.address] = Section(unit.address, kind, unit.uses, items)
    for part in parts:
        unit = part.unit
        if part.comments is not None and unit.address not in sections:
            sections[unit.address] = Section(unit.address, unit.kind, unit.uses, (_comments(part),))
        adopted = tuple(_adopted(*one) for one in answers.adopted if one[0] is part)
        if adopted:
            known = sections.get(unit.address, Section(unit.address, unit.kind, unit.uses))
            sections[unit.address] = replace(known, items=(*known.items, *adopted))
    moves = [move for one in found for move in one.moves]
    moves += [(part.handlers[old], part.targets[new]) for part, old, new in answers.adopted]
    decisions = tuple(d for one in found for d in one.decisions)
    return Evolution(tuple(_with_edits(parts, sections)), {new: old for old, new in moves}, decisions)


def _adopted(part: Part, orphan: str, rpc: str) -> Item:
    """A rename of which the API says nothing any more: the handler was an orphan."""
    source, target = part.handlers[orphan], part.targets[rpc]
    there = Lines(part) if part.words else None
    found = [*there.of_handler(orphan, source, "rename"), *there.of_unknown(source)] if there else []
    lines = tuple(replace(line, path=target if line.path == source else line.path) for line in distinct(found))
    title = f"{naming.short(orphan)} -> {rpc.rpartition('.')[2]}"
    length = next((source_.length for source_ in part.sources if source_.path == source), 0)
    difference = Difference("rename", "rpc", orphan, rpc, title, breaks=True)
    return Item(difference, title, edit=True, lines=lines, moves=(Move(source, target, length),))


def _comments(part: Part) -> Item:
    names = ", ".join(naming.short(name) for name in part.comments or ())
    notes = (f"stubs that nobody has edited follow: {names}",) if names else ()
    return Item(Difference("comment", "file", part.unit.protos[0], part.unit.protos[0]), "only, nothing else", notes)


def _with_edits(parts: Sequence[Part], sections: Mapping[str, Section]) -> Iterator[Section]:
    """The sections in the order of the components, each with the lines that what it uses makes it edit."""
    edits: dict[str, set[Line]] = {}
    for section in sections.values():
        for item in section.items:
            for caller in (c for c in item.callers if item.edit or c.edit):
                edits.setdefault(caller.component, set()).update(caller.lines)
    for part in parts:
        name = part.unit.address
        lines = distinct(edits.get(name, ()))
        if name in sections:
            yield replace(sections[name], edits=lines)
        elif lines:
            yield Section(name, part.unit.kind, part.unit.uses, (), lines)


# One component.


class _Part:
    """A component whose API changed: which renames there are, what they carry, and what there is to say of each change."""

    def __init__(self, part: Part, answers: Answers, places: Mapping[str, str]) -> None:
        assert part.before is not None and part.after is not None
        self.part = part
        self._places = places
        self._answers = answers
        self._before, self._after = part.before, part.after
        first = compare(self._before, self._after)
        own = {m.full_name for m in methods(self._before)}
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
        self._known = {*self._before.messages, *self._found.twins.values()}
        # What stands in a handler that nobody calls any more need not be edited.
        gone = {d.before for d in self._found.differences if (d.what, d.kind) == ("remove", "rpc")}
        self._orphans = {part.handlers[rpc] for rpc in gone if rpc in part.handlers}

    # Renames.

    def _carried(self, old: str, new: str) -> tuple[str, str] | None:
        """The file that goes along when an RPC is renamed: code of the user's that stands where it is not looked for."""
        source, target = self.part.handlers.get(old), self.part.targets.get(new)
        if source not in self.part.theirs or target not in self.part.free:
            return None
        assert source is not None
        assert target is not None
        return source, target

    def _carried_services(self, answers: Answers) -> dict[str, tuple[str, bool]]:
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
        target = new.rpartition(".")[2] if same_service or old not in self._pairs else naming.short(new)
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
                f"{naming.short(old) if old in self._likely else old} is gone, and {naming.short(new)} may be its new name",
                self._where(new),
                f"say so: `{yes}` moves your code along; or not: `{no}` keeps it as an orphan",
            )

    def _where(self, name: str) -> Location | None:
        return next((self._place(d) for d in self._found.differences if d.after == name and d.where.path), None)

    def _place(self, difference: Difference) -> Location:
        where = difference.where
        return replace(where, path=self._places.get(where.path, where.path))

    # What there is to say.

    def items(self, own: Lines | None, users: Mapping[str, Lines]) -> Iterator[Item]:
        """Everything that changed; messages that came, went or were renamed with an RPC are a part of what it says."""
        folded = {name for d in self._found.differences for name in self._along(d)}
        for difference in self._found.differences:
            whole = difference.kind == "message" and difference.what in ("add", "remove", "rename")
            if not whole or (difference.before or difference.after) not in folded:
                yield self._item(difference, own, users)

    def _along(self, difference: Difference) -> tuple[str, ...]:
        """The types that came, went or were renamed with an RPC: by their old names, where they have one."""
        if difference.kind != "rpc" or difference.what not in ("add", "remove", "rename"):
            return ()
        before, after = self._method(self._before, difference.before), self._method(self._after, difference.after)
        old, new = ((m.input, m.output) if m else () for m in (before, after))
        if difference.what == "add":
            return tuple(dict.fromkeys(n for n in new if n in self._after.messages and n not in self._known))
        names = dict.fromkeys(n for n in old if n in self._before.messages)
        if difference.what == "remove":
            return tuple(n for n in names if n not in self._found.twins and n not in self._after.messages)
        twins = {n: self._found.twins.get(n, n) for n in names}
        # A type that is in another package now has kept its name.
        return tuple(n for n, m in twins.items() if m in new and n.rpartition(".")[2] != m.rpartition(".")[2])

    @staticmethod
    def _method(side: Side, full_name: str) -> Method | None:
        return next((m for m in methods(side) if m.full_name == full_name), None)

    def _item(self, difference: Difference, own: Lines | None, users: Mapping[str, Lines]) -> Item:
        mapped = self._mapped(difference, own) if own else ()
        lines = mapped or (self._lines(difference, own, caller=self.part.unit.kind == "acl") if own else ())
        callers = tuple(caller for name, there in users.items() if (caller := self._caller(difference, name, there)))
        return Item(
            replace(difference, where=self._place(difference)),
            self._title(difference),
            tuple(self._notes(difference)),
            self._rows(difference),
            difference.breaks or bool(mapped),
            tuple(self._moved(line) for line in lines if not difference.breaks or line.path not in self._orphans),
            callers,
            why=self._why(difference),
            moves=tuple(Move(o, n, self._length(o)) for o, n in self._moves_of(difference)),
            commands=self._questions.get(difference.before, ()) if difference.what == "rename" else (),
            about=self._about(difference),
            along=self._along(difference),
        )

    def _caller(self, difference: Difference, name: str, there: Lines) -> Caller | None:
        if mapped := self._mapped(difference, there):
            return Caller(name, mapped, edit=True)
        found = self._lines(difference, there, caller=True)
        return Caller(name, found) if found else None

    def _mapped(self, difference: Difference, there: Lines) -> tuple[Line, ...]:
        """The lines of a layer that do not know of what came, since to a layer nothing is only added: translators, the port."""
        if difference.what == "add" and difference.kind == "rpc":
            return distinct(there.of_port(difference.after.rpartition(".")[0]))
        if difference.what != "add" or difference.kind not in ("field", "value"):
            return ()
        owner = difference.after.rpartition(".")[0]
        owner = next((old for old, new in self._found.twins.items() if new == owner), owner)
        if difference.kind == "field":
            return distinct(there.of_mapping(owner))
        messages = self._before.api.message_by_name.values()
        fields = [f"{m.full_name}.{f.name}" for m in messages for f in m.fields if f.type_name == owner]
        return distinct(line for name in fields for line in there.of_mapped(name))

    def _length(self, path: str) -> int:
        return next((s.length for s in self.part.sources if s.path == path), 0)

    def _about(self, difference: Difference) -> str:
        """What stands in the lines of a change: of a field that came, the message is named and nothing else can be."""
        name = self._shown(difference)
        by_message = difference.kind == "field" and difference.what not in ("remove", "rename", "retype")
        return name.rpartition(".")[0] if by_message else name

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

    def _lines(self, difference: Difference, there: Lines, *, caller: bool) -> tuple[Line, ...]:
        """The lines that name what changed: those to be edited where it breaks, else those to know of."""
        what, kind, before = difference.what, difference.kind, difference.before
        if kind == "rpc" and before and what != "option":
            found = (
                there.of_calls(before) if caller else there.of_handler(before, self.part.handlers.get(before, ""), what)
            )
            gone = (*self._along(difference), *(self._unexchanged(before) if there.of_layer else ()))
            found += [line for old in gone for line in there.of_name(old, gone=True)]
            if what in ("request", "response") and not caller:
                found += there.of_type_in(self._type_before(difference), self.part.handlers.get(before, ""))
            return distinct(found)
        if kind == "service" and difference.breaks and what == "rename":
            return distinct(there.of_package(before.rpartition(".")[0]))
        if kind in ("message", "enum", "value") and before and what in ("remove", "rename"):
            return distinct(there.of_name(before, gone=True))
        if kind == "value" and before and what == "renumber":
            return distinct(there.of_name(before))
        if kind == "field" and what in ("remove", "rename", "retype"):
            return distinct(there.of_field(before))
        if kind == "field" and what in ("add", "renumber", "oneof"):
            message = (before or difference.after).rpartition(".")[0]
            return distinct(there.of_name(next((o for o, n in self._found.twins.items() if n == message), message)))
        return ()

    def _unexchanged(self, rpc: str) -> tuple[str, ...]:
        """The request and the response of an RPC that none exchanges any more: a port has no types for them."""
        method = self._method(self._before, rpc)
        now = _closure(self._after.api, (name for m in methods(self._after) for name in (m.input, m.output)))
        names = (method.input, method.output) if method else ()
        return tuple(n for n in names if self._found.twins.get(n, n) not in now)

    def _type_before(self, difference: Difference) -> str:
        method = self._method(self._before, difference.before)
        assert method is not None
        return method.input if difference.what == "request" else method.output

    def _title(self, difference: Difference) -> str:
        name, detail = self._shown(difference), difference.detail
        what, kind = difference.what, difference.kind
        if what == "rename":
            before, _, now = detail.partition(" -> ")
            if kind == "rpc" and "." in before:
                return detail  # from one service to another
            outer = self._relative(difference.before, self._before).removesuffix(before.rpartition(".")[2])
            return f"{'service ' if kind == 'service' else ''}{outer if kind != 'service' else ''}{before} -> {now}"
        if kind == "rpc" and what == "add":
            return f"{name}{detail}"
        if kind == "file":
            return f"{name} {detail}".rstrip()
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
        elif kind == "rpc" and what == "add" and self.part.unit.kind == "acl":
            yield "it is to be written in Local, beside what stands there; until then it answers UNIMPLEMENTED"
        elif what in ("request", "response"):
            yield from self._other_fields(difference)
        elif kind == "service" and what == "reorder":
            yield "no file depends on the order"
        elif what == "move":
            yield "imports stay as they are: there is one module for each package"
        elif kind == "field" and what == "add" and difference.reads is None and not self._rows(difference):
            yield "no handler has to change"

    def _other_fields(self, difference: Difference) -> Iterator[str]:
        """What another request or response has, and what it has not, by the names of its fields."""
        old, new = self._method(self._before, difference.before), self._method(self._after, difference.after)
        assert old is not None
        assert new is not None
        names = (old.input, new.input) if difference.what == "request" else (old.output, new.output)
        one, other = self._before.api.message_by_name[names[0]], self._after.api.message_by_name[names[1]]
        gone = [f.name for f in one.fields if not other.field(f.name)]
        came = [f.name for f in other.fields if not one.field(f.name)]
        said = [f"{verb} {', '.join(fields)}" for verb, fields in (("has no", gone), ("has", came)) if fields]
        yield f"{other.name} {'; it '.join(said)}" if said else f"{other.name} has fields of the same names"

    def _why_not(self, old: str) -> Iterator[str]:
        """Why an RPC that came is not taken for the one that is gone, and how to say that it is."""
        for like in self._unlikely:
            if like.old == old and like.new not in self._pairs.values():
                reason = like.why_not or "another one is as much like it"
                yes, _ = self._commands(old, like.new)
                yield f"not taken for {naming.short(like.new)}: {reason}; if it is, `{yes}`"

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
        if difference.what == "renumber":
            return f"rows written before read {self._default(difference.after)}: theirs has the old number"
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
        roots = {shapes.shape(side.api, m).resource for m in methods(side)}
        names |= _closure(side.api, roots)
    names |= _closure(part.before.api, Lines(part).kept() if part.words else ())
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
