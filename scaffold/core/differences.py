"""Api × Api → what changed, RPC by RPC and message by message, and which RPCs were perhaps renamed.

A rename is only ever *proposed*. That an RPC is gone and another one takes and gives the same types says nothing:
``ActivateUser(UserRequest)`` in the place of ``DeleteUser(UserRequest)`` is another RPC, and code that was written for
one must not answer the other. What says something is a type that carries the RPC's name and went along:
``EmptyCartRequest`` became ``ClearCartRequest``, with the same fields (https://google.aip.dev/136 and buf's
RPC_REQUEST_STANDARD_NAME make clean APIs do that).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from scaffold.core import rows, shapes
from scaffold.core.api import NOWHERE, Enum, Message, Method, Service
from scaffold.core.diagnostics import Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scaffold.core.api import Api, Field

What = Literal[
    "add", "remove", "rename", "reorder", "request", "response", "stream", "retype", "renumber", "oneof", "move", "option",
    "comment",
]  # fmt: skip
Kind = Literal["service", "rpc", "message", "field", "enum", "value", "file"]


@dataclass(frozen=True)
class Side:
    """A component's API at one time: the services that it implements, and the files that are its own."""

    api: Api
    services: tuple[str, ...]
    files: frozenset[str]

    @cached_property
    def messages(self) -> Mapping[str, Message]:
        """The messages of its own files, nested ones too, by full name; entries of maps are a matter of their field."""
        return {n: m for n, m in self.api.message_by_name.items() if m.file in self.files and not m.map_entry}

    @cached_property
    def enums(self) -> Mapping[str, Enum]:
        """The enums of its own files, by full name."""
        return {n: e for n, e in self.api.enum_by_name.items() if e.file in self.files}

    def service(self, name: str) -> Service:
        """One of its services."""
        return self.api.service_by_name[name]


@dataclass(frozen=True)
class Difference:
    """One thing that changed.

    ``before`` and ``after`` are full names (a field's is its message's and its own), empty where it was not or is no
    more. ``detail`` says how, for people. ``breaks`` says that code which names it has to be edited. ``reads`` is what
    becomes of stored rows that have it; None where they do not come into it.
    """

    what: What
    kind: Kind
    before: str
    after: str
    detail: str = ""
    where: Location = NOWHERE
    breaks: bool = False
    reads: rows.Reads | None = None

    @property
    def name(self) -> str:
        """What it is called now, or was."""
        return self.after or self.before


@dataclass(frozen=True)
class Likeness:
    """Whether an RPC that is gone may be another one that came: ``why``, or ``why_not``."""

    old: str
    new: str
    why: str = ""
    why_not: str = ""


@dataclass(frozen=True)
class Comparison:
    """What changed between two sides; ``twins`` are the names of what is the same thing under another full name."""

    differences: tuple[Difference, ...]
    twins: Mapping[str, str]
    likely: tuple[Likeness, ...]
    unlikely: tuple[Likeness, ...]
    services: Mapping[str, str] = field(default_factory=dict)


def compare(before: Side, after: Side, renames: Mapping[str, str] | None = None) -> Comparison:
    """Compare two sides. ``renames`` are RPCs, by full name, of which somebody has said what they are called now."""
    return _Comparer(before, after, renames or {}).run()


class _Comparer:
    def __init__(self, before: Side, after: Side, renames: Mapping[str, str]) -> None:
        self._old, self._new = before, after
        self._renames = renames
        self._services = pair_services(before, after)
        self._packages = self._paired_packages()
        self._twins: dict[str, str] = {}

    def run(self) -> Comparison:
        pairs = list(self._method_pairs())
        self._find_twins(pairs)
        taken = {old.full_name for old, _ in pairs} | {new.full_name for _, new in pairs}
        gone = [m for m in _methods(self._old) if m.full_name not in taken]
        came = [m for m in _methods(self._new) if m.full_name not in taken]
        judged = [self._judge(old, new) for old in gone for new in came if self._same_place(old, new)]
        likely = _unique([j for j in judged if j.why])
        found = [
            *self._of_services(),
            *self._of_rpcs(pairs, gone, came),
            *self._of_messages(),
            *self._of_enums(),
            *self._of_files(),
        ]
        twins = {**self._twins, **{old.full_name: new.full_name for old, new in pairs}, **self._services}
        return Comparison(tuple(found), twins, likely, tuple(j for j in judged if j not in likely), self._services)

    # Which is which.

    def _paired_packages(self) -> dict[str, str]:
        """Packages that were given up for another one, as a version bump does: by their services."""
        pairs = {}
        for old, new in self._services.items():
            one, other = old.rpartition(".")[0], new.rpartition(".")[0]
            if one != other:
                pairs[one] = other
        return pairs

    def _twin(self, name: str) -> str:
        """What a message or an enum is called now; empty where it is gone."""
        if name in self._twins:
            return self._twins[name]
        known = (self._new.api.message_by_name, self._new.api.enum_by_name)
        if any(name in names for names in known):
            return name
        for old, new in self._packages.items():
            moved = f"{new}.{name.removeprefix(f'{old}.')}"
            if name.startswith(f"{old}.") and any(moved in names for names in known):
                return moved
        return ""

    def _method_pairs(self) -> Iterator[tuple[Method, Method]]:
        """RPCs that are the same: by their name in services that are the same, or because somebody said so."""
        for old_service, new_service in self._services.items():
            new = {m.name: m for m in self._new.service(new_service).methods}
            yield from ((m, new[m.name]) for m in self._old.service(old_service).methods if m.name in new)
        old_methods = {m.full_name: m for m in _methods(self._old)}
        new_methods = {m.full_name: m for m in _methods(self._new)}
        for one, other in self._renames.items():
            if one in old_methods and other in new_methods:
                yield old_methods[one], new_methods[other]

    def _find_twins(self, pairs: Sequence[tuple[Method, Method]]) -> None:
        """Messages and enums that were renamed: what stands in the same place has the same structure.

        The place is an RPC's request or response, or a field with its old name and number.
        """
        waiting = [(o, n) for a, b in pairs for o, n in ((a.input, b.input), (a.output, b.output))]
        waiting += [(name, name) for name in self._old.messages if name in self._new.messages]
        seen: set[tuple[str, str]] = set()
        while waiting:
            pair = waiting.pop()
            if pair in seen:
                continue
            seen.add(pair)
            old, new = pair
            if old != new and self._twin(old) != new:
                if self._twin(old) or new in self._old.messages or new in self._old.enums or not self._fits(old, new):
                    continue
                self._twins[old] = new
            one, other = self._old.api.message_by_name.get(old), self._new.api.message_by_name.get(new)
            if one is None or other is None:
                continue
            if old != new:
                self._twins.setdefault(old, new)
            names = {f.name: f for f in other.fields}
            waiting += [
                (f.type_name, names[f.name].type_name)
                for f in one.fields
                if f.type_name and f.name in names and names[f.name].type_name and names[f.name].number == f.number
            ]

    def _fits(self, old: str, new: str, assumed: frozenset[tuple[str, str]] = frozenset()) -> bool:
        """Whether a type has everything that another one had, alike; fields may have been added."""
        if self._twin(old) == new or (old, new) in assumed:
            return True
        if old in self._old.api.enum_by_name and new in self._new.api.enum_by_name:
            values = {(v.name, v.number) for v in self._old.api.enum_by_name[old].values}
            return values <= {(v.name, v.number) for v in self._new.api.enum_by_name[new].values}
        one, other = self._old.api.message_by_name.get(old), self._new.api.message_by_name.get(new)
        if one is None or other is None:
            return False
        assumed |= {(old, new)}
        numbers = {f.number: f for f in other.fields}
        return all(f.number in numbers and self._field_fits(f, numbers[f.number], assumed) for f in one.fields)

    def _field_fits(self, old: Field, new: Field, assumed: frozenset[tuple[str, str]]) -> bool:
        shape = (old.name, old.type, old.repeated, old.presence, old.oneof)
        if shape != (new.name, new.type, new.repeated, new.presence, new.oneof):
            return False
        return not old.type_name or self._fits(old.type_name, new.type_name, assumed)

    # Renames of RPCs.

    def _same_place(self, old: Method, new: Method) -> bool:
        """Whether two RPCs stand in the same service, or have the same name in two services of the component."""
        one, other = old.full_name.rpartition(".")[0], new.full_name.rpartition(".")[0]
        return self._services.get(one) == other or old.name == new.name

    def _judge(self, old: Method, new: Method) -> Likeness:
        def no(why_not: str) -> Likeness:
            return Likeness(old.full_name, new.full_name, why_not=why_not)

        if (old.client_streaming, old.server_streaming) != (new.client_streaming, new.server_streaming):
            return no("one of them streams where the other does not")
        one, other = _verb(old.name), _verb(new.name)
        if one and other and one != other:
            return no(f"a {one} does not become a {other}")
        if old.name == new.name:
            return self._judge_moved(old, new)
        request, response = self._followed(old, new, "input"), self._followed(old, new, "output")
        if not request or not response:
            kind, one, other = (
                ("request", old.input, new.input) if not request else ("response", old.output, new.output)
            )
            return no(f"the {kind} of one is {_last(one)}, of the other {_last(other)}, with other fields")
        if not {request, response} & {"along", "own"}:
            shared = " and ".join(dict.fromkeys((_last(old.input), _last(old.output))))
            return no(f"that both have {shared} says nothing: neither is named after the RPC")
        return Likeness(old.full_name, new.full_name, self._evidence(old, new, request, response))

    def _judge_moved(self, old: Method, new: Method) -> Likeness:
        """An RPC of the same name in another service: it moved, where its types are the same."""
        same = all(self._fits(o, n) for o, n in ((old.input, new.input), (old.output, new.output)))
        if same:
            return Likeness(old.full_name, new.full_name, "same name, same types, in another service")
        return Likeness(old.full_name, new.full_name, why_not="its types are others in that service")

    def _followed(self, old: Method, new: Method, side: Literal["input", "output"]) -> str:
        """What became of a type between two RPCs.

        ``along``: it carries the RPC's name, and changed it with it. ``own``: the same type, named after the old RPC and
        of nobody else's use. ``same``: the same type, which says nothing. ``like``: others, alike in structure. Else
        empty.
        """
        one, other = getattr(old, side), getattr(new, side)
        if self._twin(one) == other:
            return "own" if _named_after(one, old.name) and self._only_of(one, old, new) else "same"
        if self._twin(one) or other in self._old.api.message_by_name or not self._fits(one, other):
            return ""
        along = _named_after(one, old.name) and _last(other) == new.name + _last(one)[len(old.name) :]
        return "along" if along else "like"

    def _only_of(self, name: str, old: Method, new: Method) -> bool:
        """Whether a type is of no other RPC's use, before and now."""
        others = [m for s in self._old.services for m in self._old.service(s).methods if m != old]
        others += [m for s in self._new.services for m in self._new.service(s).methods if m != new]
        return not any(name in (m.input, m.output) for m in others)

    def _evidence(self, old: Method, new: Method, request: str, response: str) -> str:
        parts = ["same place"] if self._index(old, self._old) == self._index(new, self._new) else []
        both = ((request, old.input, new.input), (response, old.output, new.output))
        moved = [(o, n) for how, o, n in both if how in ("along", "like")]
        if moved:
            names = ", ".join(_last(o) for o, _ in moved)
            verb = "have" if len(moved) > 1 else "has"
            parts.append(
                f"{names} {verb} the same fields under {'their new names' if len(moved) > 1 else 'its new name'}"
            )
            added = [f"{_last(n)}.{f}" for o, n in moved for f in self._added_fields(o, n)]
            if added:
                parts[-1] += f" ({', '.join(added)} came)"
        own = [_last(o) for how, o, _ in both if how == "own"]
        if own:
            parts.append(f"it still has {' and '.join(own)}, which nobody else has")
        return ", and ".join(parts)

    def _added_fields(self, old: str, new: str) -> list[str]:
        known = {f.number for f in self._old.api.message_by_name[old].fields}
        return [f.name for f in self._new.api.message_by_name[new].fields if f.number not in known]

    @staticmethod
    def _index(method: Method, side: Side) -> int:
        service = side.service(method.full_name.rpartition(".")[0])
        return [m.full_name for m in service.methods].index(method.full_name)

    # What changed.

    def _of_services(self) -> Iterator[Difference]:
        for name in self._old.services:
            new = self._services.get(name)
            if new is None:
                file = self._old.service(name).file
                yield Difference("remove", "service", name, "", where=Location(file), breaks=True)
            elif new != name:
                # Who imports from a package that was given up has to say the new one.
                given_up = name.rpartition(".")[0] not in self._new.api.packages.values()
                where = self._new.service(new).where
                yield Difference("rename", "service", name, new, f"{name} -> {new}", where, breaks=given_up)
        for name in self._new.services:
            if name not in self._services.values():
                yield Difference("add", "service", "", name, where=self._new.service(name).where)
        for old, new in self._services.items():
            one, other = self._old.service(old), self._new.service(new)
            if one.file != other.file and old == new:
                yield Difference("move", "service", old, new, f"{one.file} -> {other.file}", other.where)
            if one.rest != other.rest:
                yield Difference("option", "service", old, new, where=other.where)

    def _of_rpcs(
        self, pairs: Sequence[tuple[Method, Method]], gone: Sequence[Method], came: Sequence[Method]
    ) -> Iterator[Difference]:
        for method in gone:
            file = self._old.service(method.full_name.rpartition(".")[0]).file
            yield Difference("remove", "rpc", method.full_name, "", where=Location(file), breaks=True)
        for method in came:
            detail = f"({_last(method.input)}) returns ({_last(method.output)})"
            yield Difference("add", "rpc", "", method.full_name, detail, method.where)
        for old, new in pairs:
            yield from self._of_rpc(old, new)
        for one, other in self._services.items():
            names = {old.name: new.name for old, new in pairs if old.full_name.rpartition(".")[0] == one}
            before = [names[m.name] for m in self._old.service(one).methods if m.name in names]
            after = [m.name for m in self._new.service(other).methods if m.name in names.values()]
            if before != after:
                where = self._new.service(other).where
                yield Difference("reorder", "service", one, other, ", ".join(after), where)

    def _of_rpc(self, old: Method, new: Method) -> Iterator[Difference]:
        names = (old.full_name, new.full_name)
        one, other = (name.rpartition(".")[0] for name in names)
        if self._services.get(one) != other:
            detail = f"{_last(one)}.{old.name} -> {_last(other)}.{new.name}"
            yield Difference("rename", "rpc", *names, detail, new.where, breaks=True)
        elif old.name != new.name:
            yield Difference("rename", "rpc", *names, f"{old.name} -> {new.name}", new.where, breaks=True)
        if self._is_another(old.input, new.input):
            yield Difference("request", "rpc", *names, _arrow(old.input, new.input), new.where, breaks=True)
        if self._is_another(old.output, new.output):
            yield Difference("response", "rpc", *names, _arrow(old.output, new.output), new.where, breaks=True)
        before, after = _streams(old), _streams(new)
        if before != after:
            yield Difference("stream", "rpc", *names, f"{before} -> {after}", new.where, breaks=True)
        if old.rest != new.rest:
            yield Difference("option", "rpc", *names, _options(old, new), new.where)

    def _of_messages(self) -> Iterator[Difference]:
        taken = set()
        for name, old in self._old.messages.items():
            twin = self._twin(name)
            new = self._new.api.message_by_name.get(twin)
            if new is None:
                if not self._is_inside(name):
                    yield Difference("remove", "message", name, "", where=Location(old.file), breaks=True)
                continue
            taken.add(twin)
            if _last(name) != _last(twin):
                detail = f"{_last(name)} -> {_last(twin)}"
                yield Difference("rename", "message", name, twin, detail, new.where, True, rows.Reads.SAME)
            elif name != twin and not self._went_along(name):
                # Another component's package has changed, and with it the module that this is imported from.
                yield Difference("rename", "message", name, twin, f"{name} -> {twin}", new.where, True, rows.Reads.SAME)
            if old.file != new.file and name == twin:
                yield Difference("move", "message", name, twin, f"{old.file} -> {new.file}", new.where)
            if old.rest != new.rest:
                yield Difference("option", "message", name, twin, where=new.where)
            yield from self._of_fields(old, new)
        for name, new in self._new.messages.items():
            if name not in taken and not self._is_inside(name):
                yield Difference("add", "message", "", name, where=new.where)

    def _went_along(self, name: str) -> bool:
        """Whether a name is another one because the package of our own services is."""
        return any(name.startswith(f"{package}.") for package in self._packages)

    @cached_property
    def _came(self) -> set[str]:
        """Messages that are new. To be asked for when it is known which is which."""
        return self._new.messages.keys() - {self._twin(name) for name in self._old.messages}

    def _is_inside(self, name: str) -> bool:
        """Whether something is declared in a message that is gone, or came, with all that is in it."""
        parent = name.rpartition(".")[0]
        return (parent in self._old.messages and not self._twin(parent)) or parent in self._came

    def _of_fields(self, old: Message, new: Message) -> Iterator[Difference]:
        pairs = _paired_fields(old, new)
        reused = {f.number: f for f in old.fields}
        for f in old.fields:
            if f.name not in pairs:
                detail = f"= {f.number} ({self._type(f, self._old)})"
                name = f"{old.full_name}.{f.name}"
                yield Difference("remove", "field", name, "", detail, new.where, True, rows.Reads.SAME)
        for g in new.fields:
            f_name = next((name for name, other in pairs.items() if other == g.name), None)
            if f_name is None:
                detail = f"= {g.number} ({self._type(g, self._new)})"
                before = reused.get(g.number)
                reads = None if before is None else max(rows.Reads.OTHER, self._reads(before, g))
                if before is not None:
                    detail += f"; the number was {before.name}'s"
                yield Difference("add", "field", "", f"{new.full_name}.{g.name}", detail, g.where, reads=reads)
                continue
            before = old.field(f_name)
            assert before is not None  # the pairs are made of its fields
            yield from self._of_field(before, g, (f"{old.full_name}.{f_name}", f"{new.full_name}.{g.name}"))

    def _of_field(self, old: Field, new: Field, names: tuple[str, str]) -> Iterator[Difference]:
        reads = self._reads(old, new)
        if old.name != new.name:
            detail = f"{old.name} -> {new.name} = {new.number}"
            yield Difference("rename", "field", *names, detail, new.where, True, reads)
        if old.number != new.number:
            detail = f"{old.number} -> {new.number}"
            yield Difference("renumber", "field", *names, detail, new.where, reads=rows.Reads.DEFAULT)
        before, after = self._type(old, self._old), self._type(new, self._new)
        if self._changed(old, new):
            if before == after:
                before, after = old.type_name, new.type_name  # of one name, from two packages
            breaks = old.repeated != new.repeated or self._python(old, self._old) != self._python(new, self._new)
            yield Difference("retype", "field", *names, f"{before} -> {after}", new.where, breaks, reads)
        if old.oneof != new.oneof and (old.oneof or new.oneof):
            detail = f"{old.oneof or 'no oneof'} -> {new.oneof or 'no oneof'}"
            reads = rows.Reads.LAST if new.oneof else rows.Reads.SAME
            yield Difference("oneof", "field", *names, detail, new.where, reads=reads)
        if old.rest != new.rest:
            yield Difference("option", "field", *names, _options(old, new), new.where)

    def _changed(self, old: Field, new: Field) -> bool:
        """Whether the type is another one. A type that was renamed is a matter of its own."""
        if (old.type, old.repeated) != (new.type, new.repeated):
            return True
        if old.presence != new.presence and not (old.oneof or new.oneof):
            return True
        entry = self._old.api.message_by_name.get(old.type_name)
        if entry is not None and entry.map_entry:
            other = self._new.api.message_by_name.get(new.type_name)
            if other is None or not other.map_entry:
                return True
            return any(self._changed(f, g) for f, g in zip(entry.fields, other.fields, strict=True))
        return bool(old.type_name) and self._is_another(old.type_name, new.type_name)

    def _is_another(self, old: str, new: str) -> bool:
        """Whether a type is another one: not where it was renamed, or its package was given up for a new version.

        A type of somebody else's that is in another package now is one: here it has to be imported from there.
        """
        if self._twin(old) != new:
            return True
        one, other = _package(old, self._old), _package(new, self._new)
        return one != other and self._packages.get(one) != other

    def _reads(self, old: Field, new: Field) -> rows.Reads:
        if not self._changed(old, new):
            return rows.Reads.SAME  # what changed inside of its type is said there
        return rows.reads(old, new, self._old.api, self._new.api)

    def _of_enums(self) -> Iterator[Difference]:
        taken = set()
        for name, old in self._old.enums.items():
            twin = self._twin(name)
            new = self._new.api.enum_by_name.get(twin)
            if new is None:
                if not self._is_inside(name):
                    yield Difference("remove", "enum", name, "", where=Location(old.file), breaks=True)
                continue
            taken.add(twin)
            if _last(name) != _last(twin):
                yield Difference(
                    "rename", "enum", name, twin, f"{_last(name)} -> {_last(twin)}", new.where, breaks=True
                )
            if old.file != new.file and name == twin:
                yield Difference("move", "enum", name, twin, f"{old.file} -> {new.file}", new.where)
            if old.rest != new.rest:
                yield Difference("option", "enum", name, twin, where=new.where)
            yield from self._of_values(old, new)
        for name, new in self._new.enums.items():
            if name not in taken and not self._is_inside(name):
                yield Difference("add", "enum", "", name, where=new.where)

    def _of_values(self, old: Enum, new: Enum) -> Iterator[Difference]:
        before, after = {v.name: v for v in old.values}, {v.name: v for v in new.values}
        numbers_before, numbers_after = {v.number for v in old.values}, {v.number for v in new.values}
        renamed = {
            v.name: w.name
            for v in old.values
            if v.name not in after
            for w in new.values
            if w.number == v.number and w.name not in before
        }
        for v in old.values:
            names = (f"{old.full_name}.{v.name}", f"{new.full_name}.{renamed.get(v.name, v.name)}")
            if v.name in after and after[v.name].number != v.number:
                detail = f"{v.number} -> {after[v.name].number}"
                yield Difference("renumber", "value", *names, detail, new.where, reads=rows.Reads.OTHER)
            elif v.name in after and after[v.name].rest != v.rest:
                yield Difference("option", "value", *names, where=new.where)
            elif v.name in renamed:
                detail = f"{v.name} -> {renamed[v.name]} = {v.number}"
                yield Difference("rename", "value", *names, detail, new.where, True, rows.Reads.SAME)
            elif v.name not in after:
                still = v.number in numbers_after or not new.closed
                lost = rows.Reads.SAME if still else rows.Reads.DEFAULT
                yield Difference("remove", "value", names[0], "", f"= {v.number}", new.where, True, lost)
        for w in new.values:
            if w.name not in before and w.name not in renamed.values():
                reads = rows.Reads.OTHER if w.number in numbers_before else None
                name = f"{new.full_name}.{w.name}"
                yield Difference("add", "value", "", name, f"= {w.number}", new.where, reads=reads)

    def _of_files(self) -> Iterator[Difference]:
        for name in sorted(self._old.files - self._new.files):
            detail = "is no part of the API any more"
            yield Difference("remove", "file", name, "", detail, Location(name))
        for name in sorted(self._old.files & self._new.files):
            old, new = self._old.api.file_by_name[name], self._new.api.file_by_name[name]
            if (old.rest, old.resources) != (new.rest, new.resources):
                yield Difference("option", "file", name, name, where=Location(name))

    @staticmethod
    def _python(field: Field, side: Side) -> tuple[str, ...]:
        """The type that Python sees; of a map those of its keys and values."""
        message = side.api.message_by_name.get(field.type_name)
        return tuple(map(_python, message.fields)) if message and message.map_entry else (_python(field),)

    def _type(self, field: Field, side: Side) -> str:
        """A field's type as the proto says it, by short names."""
        message = side.api.message_by_name.get(field.type_name)
        if message is not None and message.map_entry:
            key, value = message.fields[:2]
            return f"map<{self._type(key, side)}, {self._type(value, side)}>"
        name = _last(field.type_name) if field.type_name else field.type
        if field.repeated:
            return f"repeated {name}"
        explicit = field.presence and not field.oneof and field.type not in ("message", "group")
        return f"optional {name}" if explicit else name


def pair_services(before: Side, after: Side) -> dict[str, str]:
    """What each service that was implemented is called now; those that are gone are left out.

    A service that is gone is the one that came with its own name (in another package), or else the one that came and
    has most of its RPCs by name, where that is clear.
    """
    pairs = {name: name for name in before.services if name in after.services}
    gone = [name for name in before.services if name not in pairs]
    came = [name for name in after.services if name not in pairs]
    for name in gone:
        if (best := _closest(name, before, came, after)) and _closest(best, after, gone, before) == name:
            pairs[name] = best
    return pairs


def _closest(name: str, side: Side, others: Sequence[str], other_side: Side) -> str:
    same = [other for other in others if _last(other) == _last(name)]
    if len(same) == 1:
        return same[0]
    mine = {m.name for m in side.service(name).methods}
    shared = {other: len(mine & {m.name for m in other_side.service(other).methods}) for other in others}
    most = max(shared.values(), default=0)
    best = [other for other, count in shared.items() if count == most]
    return best[0] if len(best) == 1 and 2 * most >= max(len(mine), 1) else ""


def _package(name: str, side: Side) -> str:
    """The package of a message or an enum."""
    declared = side.api.message_by_name.get(name) or side.api.enum_by_name.get(name)
    return side.api.packages[declared.file] if declared else ""


def _methods(side: Side) -> list[Method]:
    return [m for name in side.services for m in side.service(name).methods]


def _unique(found: Sequence[Likeness]) -> tuple[Likeness, ...]:
    """Those of which neither side has a second candidate."""
    old, new = [f.old for f in found], [f.new for f in found]
    return tuple(f for f in found if old.count(f.old) == 1 and new.count(f.new) == 1)


def _paired_fields(old: Message, new: Message) -> dict[str, str]:
    """Which field is which: those with the same name, then those with the same number and the same kind of value."""
    pairs = {f.name: f.name for f in old.fields if new.field(f.name)}
    numbers = {f.number: f for f in new.fields if f.name not in pairs}
    for f in old.fields:
        g = numbers.get(f.number)
        if f.name not in pairs and g is not None and (_python(f), f.repeated) == (_python(g), g.repeated):
            pairs[f.name] = g.name
    return pairs


def _python(field: Field) -> str:
    """The type that Python sees."""
    if field.type in ("float", "double"):
        return "float"
    return field.type if field.type in ("string", "bytes", "bool", "message", "group", "enum") else "int"


def _verb(rpc: str) -> str:
    """The verb of a standard method that an RPC's name begins with, or nothing."""
    verbs = [kind.value for kind in shapes.Kind if kind is not shapes.Kind.CUSTOM]
    return next((v for v in verbs if rpc.startswith(v) and rpc[len(v) : len(v) + 1].isupper()), "")


def _named_after(type_name: str, rpc: str) -> bool:
    """``EmptyCartRequest`` is named after ``EmptyCart``, ``GetterRequest`` is not after ``Get``."""
    rest = _last(type_name).removeprefix(rpc)
    return rest != _last(type_name) and not rest[:1].islower()


def _options(old: Method | Field, new: Method | Field) -> str:
    """What the options say that is known here; others are only seen to differ."""
    said = []
    if old.deprecated != new.deprecated:
        said.append("deprecated" if new.deprecated else "no longer deprecated")
    if isinstance(old, Method) and isinstance(new, Method):
        if old.idempotency != new.idempotency:
            said.append(f"idempotency_level = {new.idempotency or 'IDEMPOTENCY_UNKNOWN'}")
    elif not isinstance(old, Method) and not isinstance(new, Method) and old.behaviors != new.behaviors:
        said += [f"{b} now" for b in new.behaviors if b not in old.behaviors]
        said += [f"no longer {b}" for b in old.behaviors if b not in new.behaviors]
    return ", ".join(said)


def _streams(method: Method) -> str:
    kinds = {(False, False): "unary", (True, False): "a stream of requests", (False, True): "a stream of responses"}
    return kinds.get((method.client_streaming, method.server_streaming), "streams both ways")


def _arrow(old: str, new: str) -> str:
    return f"{_last(old)} -> {_last(new)}" if _last(old) != _last(new) else f"{old} -> {new}"


def _last(full_name: str) -> str:
    return full_name.rpartition(".")[2]
