"""Constraints of messages (protovalidate, https://protovalidate.com): kept in valid requests, broken one at a time.

What a rule means is asked of protovalidate itself. Here is only which values are worth asking about: those at the edges of
a field's rules. A message that was drawn is mended with them until it is valid; a valid one is changed by them until
exactly one rule is broken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory
from hypothesis import reject
from hypothesis import strategies as st

from scaffold.contract import regex
from scaffold.contract.schema import is_repeated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message as Instance
    from hypothesis.strategies import DrawFn

# upb's field descriptors and those of pure Python are two classes, and their stubs a third thing.
_Field = Any

_Change = Callable[[Any], None]

FILE = "buf/validate/validate.proto"

_ROUNDS = 30
_DEPTH = 4
_SPECIAL = ("google.protobuf.Duration", "google.protobuf.Timestamp")
_LEAF = ("google.protobuf.", "google.type.")

# Samples of what the rules of strings call well known.
_FORMATS = {
    "email": "a@example.com", "hostname": "example.com", "ip": "127.0.0.1", "ipv4": "127.0.0.1", "ipv6": "::1",
    "uri": "https://example.com/a", "uri_ref": "/a", "address": "example.com", "uuid": "123e4567-e89b-42d3-a456-426614174000",
    "tuuid": "123e4567e89b42d3a456426614174000", "ip_with_prefixlen": "10.0.0.1/8", "ipv4_with_prefixlen": "10.0.0.1/8",
    "ipv6_with_prefixlen": "::1/64", "ip_prefix": "10.0.0.0/8", "ipv4_prefix": "10.0.0.0/8", "ipv6_prefix": "::/64",
    "host_and_port": "example.com:80", "ulid": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "well_known_regex": "X-Header",
    "protobuf_fqn": "a.b.C", "protobuf_dot_fqn": ".a.b.C",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A step of a path into a message: a field, and which of its elements or entries (None for the field itself)."""

    name: str
    place: Any = None


@dataclass(frozen=True)
class Broken:
    """A rule that a message breaks: its id, and the path of what breaks it (empty for the message as a whole)."""

    rule: str
    path: tuple[Step, ...]
    for_key: bool = False
    said: str = ""

    def __str__(self) -> str:
        places = (f"{s.name}[{s.place!r}]" if s.place is not None else s.name for s in self.path)
        where = ".".join(places) or "the request"
        return (
            f"{where} breaks {self.rule}{' (its key)' if self.for_key else ''}{f': {self.said}' if self.said else ''}"
        )


@dataclass
class Rules:
    """The constraints of one API. ``present`` says whether there are any: without, nothing here is to be used."""

    pool: DescriptorPool
    _validator: Any = None
    _options: dict[tuple[str, str], Any] = field(default_factory=dict)
    _reach: dict[str, bool] = field(default_factory=dict)

    @property
    def present(self) -> bool:
        """Whether the API imports the options."""
        try:
            self.pool.FindFileByName(FILE)
        except KeyError:
            return False
        return True

    def broken(self, message: Instance) -> list[Broken]:
        """The rules that a message breaks."""
        if self._validator is None:
            import protovalidate

            self._validator = protovalidate.Validator()
        return [_broken(violation.proto) for violation in self._validator.collect_violations(message)]

    def concern(self, message: str) -> bool:
        """Whether there are rules for a message (by full name) or for anything in it."""
        if message not in self._reach:
            self._reach[message] = False  # for a message within itself
            descriptor = self.pool.FindMessageTypeByName(message)
            own = bool(self._rules("MessageOptions", "message", descriptor))
            own = own or any(self._rules("OneofOptions", "oneof", oneof) for oneof in descriptor.oneofs)
            self._reach[message] = own or any(
                bool(self.of(f)) or (f.message_type is not None and self.concern(f.message_type.full_name))
                for f in descriptor.fields
            )
        return self._reach[message]

    def of(self, descriptor: _Field) -> Any:
        """The rules of a field; empty where it has none."""
        return self._rules("FieldOptions", "field", descriptor)

    def _rules(self, options: str, extension: str, descriptor: Any) -> Any:
        key = (options, descriptor.full_name)
        if key not in self._options:
            # The options in our pool are of classes of the default pool, which does not know the extension.
            kind = message_factory.GetMessageClass(self.pool.FindMessageTypeByName(f"google.protobuf.{options}"))
            found: Any = kind.FromString(descriptor.GetOptions().SerializeToString())
            name: Any = self.pool.FindExtensionByName(f"buf.validate.{extension}")
            rules = found.Extensions[name] if found.HasExtension(name) else None
            self._options[key] = rules if rules is not None and rules.ListFields() else None
        return self._options[key]

    # Valid messages.

    def mend(self, message: Instance, draw: DrawFn, fill: _Change) -> None:
        """Change what breaks a rule until nothing does; ``fill`` fills an empty message. Rejects what cannot be mended."""
        for _ in range(_ROUNDS):
            found = self.broken(message)
            if not found:
                return
            # One after the other: what mends the one may move or remove what another is about.
            self._mend(message, found[0], draw, fill)
        if self.broken(message):
            reject()

    def _mend(self, message: Instance, broken: Broken, draw: DrawFn, fill: _Change) -> None:
        holder = _holder(message, broken.path)
        if holder is None:
            return
        if not broken.path or broken.path[-1].name not in holder.DESCRIPTOR.fields_by_name:
            self._refill(holder, broken, draw, fill)
            return
        step = broken.path[-1]
        descriptor = holder.DESCRIPTOR.fields_by_name[step.name]
        if _is_map(descriptor):
            self._mend_map(holder, descriptor, step, broken, draw, fill)
        elif is_repeated(descriptor):
            self._mend_list(holder, descriptor, step, broken, draw, fill)
        elif descriptor.message_type and descriptor.message_type.full_name not in _SPECIAL:
            inner = getattr(holder, step.name)
            inner.Clear()
            inner.SetInParent()
            fill(inner)
        else:
            _put(descriptor, draw(st.sampled_from(self.values(descriptor, self.of(descriptor)))), holder)

    def _refill(self, holder: Instance, broken: Broken, draw: DrawFn, fill: _Change) -> None:
        """What a message breaks as a whole: a oneof gets a member, anything else is drawn again."""
        oneof = holder.DESCRIPTOR.oneofs_by_name.get(broken.path[-1].name) if broken.path else None
        if oneof is None:
            holder.Clear()
            fill(holder)
            return
        members: list[_Field] = list(oneof.fields)
        member = draw(st.sampled_from(members))
        if member.message_type:
            getattr(holder, member.name).SetInParent()
        else:
            _put(member, draw(st.sampled_from(self.values(member, self.of(member)))), holder)

    def _mend_list(
        self,
        holder: Instance,
        descriptor: _Field,
        step: Step,
        broken: Broken,
        draw: DrawFn,
        fill: _Change,
    ) -> None:
        values, rules = getattr(holder, step.name), self.of(descriptor)
        if step.place is not None:
            if descriptor.message_type:
                values[step.place].Clear()
                fill(values[step.place])
            else:
                values[step.place] = draw(st.sampled_from(self.values(descriptor, _items(rules))))
        elif broken.rule == "repeated.unique" or (rules.repeated.max_items and len(values) > rules.repeated.max_items):
            del values[len(values) - 1 :]
        else:
            self._append(values, descriptor, _items(rules), draw, fill)

    def _append(self, values: Any, descriptor: _Field, rules: Any, draw: DrawFn, fill: _Change) -> None:
        if descriptor.message_type:
            fill(values.add())
        else:
            values.append(draw(st.sampled_from(self.values(descriptor, rules))))

    def _mend_map(
        self,
        holder: Instance,
        descriptor: _Field,
        step: Step,
        broken: Broken,
        draw: DrawFn,
        fill: _Change,
    ) -> None:
        entries, rules = getattr(holder, step.name), self.of(descriptor)
        key, value = (descriptor.message_type.fields_by_name[name] for name in ("key", "value"))
        key_rules = rules.map.keys if rules is not None else None
        value_rules = rules.map.values if rules is not None else None
        if step.place is not None and (broken.for_key or value.message_type):
            if broken.for_key or value.message_type.full_name in _SPECIAL:
                del entries[step.place]
            else:
                entries[step.place].Clear()
                fill(entries[step.place])
        elif step.place is not None:
            entries[step.place] = draw(st.sampled_from(self.values(value, value_rules)))
        elif broken.rule == "map.max_pairs":
            del entries[next(iter(entries))]
        else:
            new = draw(st.sampled_from(self.values(key, key_rules)))
            if value.message_type:
                fill(entries[new])
            else:
                entries[new] = draw(st.sampled_from(self.values(value, value_rules)))

    # Messages that break one rule.

    def singly(self, message: Instance) -> Iterator[tuple[Broken, Instance]]:
        """Changed copies of a valid message, each of which breaks exactly one rule: one for each rule that was found."""
        seen: set[tuple[str, tuple[str, ...], bool]] = set()
        for changed in self._changed(message):
            found = self.broken(changed)
            if len(found) != 1:
                continue
            key = (found[0].rule, tuple(step.name for step in found[0].path), found[0].for_key)
            if key not in seen:
                seen.add(key)
                yield found[0], changed

    def _changed(self, message: Instance) -> Iterator[Instance]:
        """Copies of a message with one thing changed, where there are rules."""
        for path, holder in self._holders(message, (), 0):
            whole = self._rules("MessageOptions", "message", holder.DESCRIPTOR) is not None
            for oneof in holder.DESCRIPTOR.oneofs:
                member = holder.WhichOneof(oneof.name)
                if member:
                    yield _with(message, path, partial(_clear, member))
            for descriptor in holder.DESCRIPTOR.fields:
                rules = self.of(descriptor)
                if rules is not None or whole:
                    for change in self._changes(holder, descriptor, rules):
                        yield _with(message, path, change)

    def _holders(
        self, message: Instance, path: tuple[Step, ...], depth: int
    ) -> Iterator[tuple[tuple[Step, ...], Instance]]:
        """The message and those in it for which there may be rules; of a list or map the first."""
        yield path, message
        for descriptor, value in message.ListFields():
            inner = descriptor.message_type
            if inner is None or depth >= _DEPTH or inner.full_name.startswith(_LEAF):
                continue
            if _is_map(descriptor):
                if inner.fields_by_name["value"].message_type is None:
                    continue
                key = next(iter(value))
                yield from self._holders(value[key], (*path, Step(descriptor.name, key)), depth + 1)
            elif is_repeated(descriptor):
                yield from self._holders(value[0], (*path, Step(descriptor.name, 0)), depth + 1)
            else:
                yield from self._holders(value, (*path, Step(descriptor.name)), depth + 1)

    def _changes(self, holder: Instance, descriptor: _Field, rules: Any) -> Iterator[_Change]:
        name = descriptor.name
        yield partial(_clear, name)
        if _is_map(descriptor):
            yield from self._map_changes(holder, descriptor, rules)
        elif is_repeated(descriptor):
            yield from self._list_changes(holder, descriptor, rules)
        elif descriptor.message_type is None or descriptor.message_type.full_name in _SPECIAL:
            for value in self.values(descriptor, rules):
                yield partial(_put, descriptor, value)

    def _list_changes(self, holder: Instance, descriptor: _Field, rules: Any) -> Iterator[_Change]:
        name, values = descriptor.name, list(getattr(holder, descriptor.name))
        if values:
            most = int(rules.repeated.max_items) if rules is not None else 0
            yield partial(_put_list, name, [*values, *[values[0]] * max(most + 1 - len(values), 1)])
            yield partial(_put_list, name, [*values, values[0]])
        usable = list(dict.fromkeys(self.values(descriptor, _items(rules)))) if descriptor.message_type is None else []
        if usable and rules is not None and rules.repeated.max_items:
            yield partial(_put_list, name, [*values, *usable * (int(rules.repeated.max_items) + 1)][:1000])
        for value in usable:
            yield partial(_put_list, name, [value, *values[1:]])
        for length in range(1, len(values)):
            yield partial(_put_list, name, values[:length])

    def _map_changes(self, holder: Instance, descriptor: _Field, rules: Any) -> Iterator[_Change]:
        name = descriptor.name
        key, value = (descriptor.message_type.fields_by_name[part] for part in ("key", "value"))
        if value.message_type is not None or rules is None:
            return
        entries = dict(getattr(holder, name))
        keys, values = self.values(key, rules.map.keys), self.values(value, rules.map.values)
        some = next(iter(entries.values()), values[0])
        for new in keys:
            yield partial(_put_map, name, {new: some})
        for new in values:
            yield partial(_put_map, name, {next(iter(entries), keys[0]): new})
        many = [f"{text}{number}" for text in ("a", "k") for number in range(50)] if key.type == key.TYPE_STRING else []
        letters = ["a" * length for length in range(1, 60)] if key.type == key.TYPE_STRING else list(range(1, 60))
        for candidates in (many, letters, [*dict.fromkeys(keys)]):
            wanted = int(rules.map.max_pairs) + 1 if rules.map.max_pairs else 0
            if wanted and len(candidates) >= wanted:
                yield partial(_put_map, name, dict.fromkeys(candidates[:wanted], some))

    # Values.

    def values(self, descriptor: _Field, rules: Any) -> list[Any]:
        """Values of a field's type that are worth a look: at and beyond the edges of its rules, some good, some not."""
        own = getattr(rules, rules.WhichOneof("type")) if rules is not None and rules.WhichOneof("type") else None
        if descriptor.message_type is not None:
            return _moments(descriptor.message_type.full_name, own)
        if descriptor.enum_type is not None:
            numbers = [value.number for value in descriptor.enum_type.values]
            return list(dict.fromkeys([*numbers, *_listed(own, "in", "const"), max(numbers) + 1]))
        if descriptor.type == descriptor.TYPE_BOOL:
            return [True, False]
        if descriptor.type == descriptor.TYPE_STRING:
            return _fitting(_texts(own))
        if descriptor.type == descriptor.TYPE_BYTES:
            return _fitting(_bytes(own))
        return _numbers(descriptor, own)


def _broken(violation: Any) -> Broken:
    elements = violation.field.elements if violation.field else ()
    path = tuple(Step(e.field_name or "", None if e.subscript is None else e.subscript.value) for e in elements)
    return Broken(violation.rule_id or "", path, bool(violation.for_key), violation.message or "")


def _holder(message: Any, path: Sequence[Step]) -> Any:
    """The message that the last step of a path is in; None where it is gone."""
    current = message
    for step in path[:-1]:
        value: Any = getattr(current, step.name, None)
        if step.place is not None:
            try:
                value = value[step.place]
            except (KeyError, IndexError):
                return None
        if value is None:
            return None
        current = value
    return current


def _with(message: Instance, path: tuple[Step, ...], change: _Change) -> Instance:
    copy = type(message)()
    copy.CopyFrom(message)
    change(_holder(copy, (*path, Step(""))))
    return copy


def _is_map(descriptor: _Field) -> bool:
    return descriptor.message_type is not None and bool(descriptor.message_type.GetOptions().map_entry)


def _items(rules: Any) -> Any:
    return rules.repeated.items if rules is not None else None


def _clear(name: str, holder: Any) -> None:
    holder.ClearField(name)


def _put(descriptor: _Field, value: Any, holder: Any) -> None:
    if descriptor.message_type is not None:
        inner = getattr(holder, descriptor.name)
        inner.Clear()
        inner.SetInParent()
        inner.seconds, inner.nanos = value
    else:
        setattr(holder, descriptor.name, value)


def _put_list(name: str, values: Sequence[Any], holder: Any) -> None:
    holder.ClearField(name)
    getattr(holder, name).extend(values)


def _put_map(name: str, entries: dict[Any, Any], holder: Any) -> None:
    holder.ClearField(name)
    for key, value in entries.items():
        getattr(holder, name)[key] = value


def _listed(rules: Any, *names: str) -> list[Any]:
    """What rules name outright: ``in``, ``not_in``, ``const``, ``example``."""
    found: list[Any] = []
    for name in names:
        descriptor = rules.DESCRIPTOR.fields_by_name.get(name) if rules is not None else None
        if descriptor is None:
            continue
        if is_repeated(descriptor):
            found += list(getattr(rules, name))
        elif rules.HasField(name):
            found.append(getattr(rules, name))
    return found


_NAMED = ("const", "in", "example", "not_in")


def _set(rules: Any, name: str) -> Any:
    """The value of a rule, None where it is not set."""
    known = rules is not None and name in rules.DESCRIPTOR.fields_by_name
    return getattr(rules, name) if known and rules.HasField(name) else None


def _texts(rules: Any) -> Iterator[str]:
    yield from _listed(rules, *_NAMED)
    if rules is None:
        yield from ("a", "abc", "")
        return
    format_ = rules.WhichOneof("well_known")
    if format_:
        yield _FORMATS.get(format_, "a")
    pattern = _set(rules, "pattern")
    if pattern is not None:
        for turn in range(4):
            text = regex.sample(pattern, _turns(turn))
            if text is not None:
                yield text
    start, middle, end = (_set(rules, name) or "" for name in ("prefix", "contains", "suffix"))
    for length in _lengths(rules, "len"):
        yield start + middle + "a" * max(0, length - len(start + middle + end)) + end
        yield start + middle + "1" * max(0, length - len(start + middle + end)) + end
    for length in _lengths(rules, "bytes"):
        yield start + middle + "b" * max(0, length - len((start + middle + end).encode())) + end
    yield from (f"{start}{middle}a{end}", f"{start}a{end}", f"{middle}a{end}", f"{start}{middle}a")
    unwanted = _set(rules, "not_contains")
    yield from (f"a{unwanted}a",) if unwanted else ()
    yield from ("a", "abc", "", "A 1", "\N{SNOWMAN}", "not valid at all \x00")


def _turns(turn: int) -> Callable[[int], int]:
    """Choices in turn, from another beginning each time: without a draw, so that there is one list for a field."""
    state = [turn]

    def choose(among: int) -> int:
        state[0] += 1
        return (state[0] * 7 + turn * 3) % among if turn else 0

    return choose


def _lengths(rules: Any, unit: str) -> list[int]:
    """Lengths around the edges: none longer than would be sensible to send."""
    names = ("len", "min_len", "max_len") if unit == "len" else ("len_bytes", "min_bytes", "max_bytes")
    edges = [int(edge) for name in names if (edge := _set(rules, name)) is not None]
    around = {length + by for length in edges for by in (-1, 0, 1)}
    return sorted(length for length in around if 0 <= length <= 100_000)


def _bytes(rules: Any) -> Iterator[bytes]:
    yield from _listed(rules, *_NAMED)
    start, middle, end = (_set(rules, name) or b"" for name in ("prefix", "contains", "suffix"))
    pattern = _set(rules, "pattern")
    if pattern is not None and (text := regex.sample(pattern, _turns(0))) is not None:
        yield text.encode()
    for edge in ("len", "min_len", "max_len"):
        length = _set(rules, edge)
        for by in (0, -1, 1) if length is not None and length <= 100_000 else ():
            yield start + middle + b"a" * max(0, int(length) + by - len(start + middle + end)) + end
    yield from (start + middle + b"a" + end, b"a", b"\x7f\x00\x00\x01", b"", b"x" * 16)


def _numbers(descriptor: _Field, rules: Any) -> list[Any]:
    floating = descriptor.type in (descriptor.TYPE_FLOAT, descriptor.TYPE_DOUBLE)
    found = _listed(rules, *_NAMED)
    for name in ("gt", "gte", "lt", "lte"):
        edge = _set(rules, name)
        if edge is not None:
            found += [edge, edge + 1, edge - 1] + ([edge + 0.5, edge - 0.5] if floating else [])
    low, high = _set(rules, "gte"), _set(rules, "lte")
    if low is not None and high is not None:
        found.append((low + high) / 2 if floating else (low + high) // 2)
    found += [1, 0, -1, 2, 100]
    found += [float("inf"), float("nan")] if floating else []
    return [number for number in _fitting(found) if floating or _fits(descriptor, number)]


def _fits(descriptor: _Field, number: int) -> bool:
    unsigned = descriptor.cpp_type in (descriptor.CPPTYPE_UINT32, descriptor.CPPTYPE_UINT64)
    bits: int = 32 if descriptor.cpp_type in (descriptor.CPPTYPE_INT32, descriptor.CPPTYPE_UINT32) else 64
    low, high = (0, 1 << bits) if unsigned else (-(1 << bits - 1), 1 << bits - 1)
    return low <= number < high


def _moments(kind: str, rules: Any) -> list[tuple[int, int]]:
    """Seconds and nanoseconds of a Duration or Timestamp."""
    found = [(m.seconds, m.nanos) for m in _listed(rules, *_NAMED)]
    for name in ("gt", "gte", "lt", "lte", "within"):
        edge = _set(rules, name)
        if edge is not None:
            found += [(edge.seconds + by, edge.nanos) for by in (0, 1, -1)]
    if kind.endswith("Timestamp"):
        now = int(time.time())
        within = _set(rules, "within")
        reach = int(within.seconds) if within is not None else 3600
        found += [(now + by, 0) for by in (reach // 2, -(reach // 2), 2 * reach + 60, -2 * reach - 60, 86_400, -86_400)]
    return list(dict.fromkeys([*found, (60, 0), (1, 0), (0, 0)]))


def _fitting(found: Iterable[Any]) -> list[Any]:
    """Without repetitions; NaN is like itself here."""
    return list({repr(value): value for value in found}.values())
