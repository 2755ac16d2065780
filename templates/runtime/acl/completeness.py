"""The checks of translators, ACL001 to ACL007: one function for each, from facts and rules to findings.

ACL001 a target that nothing fills, or not with what it takes · ACL002 a column that nobody accounts for · ACL003 a NULL that
would turn into 0 · ACL004 an enum value without a partner, or with another one's · ACL005 a branch of a oneof · ACL006 a
naive datetime, or a Decimal through float · ACL007 an ignore that has expired.

Inside a function no rule can look. What goes through one and has no way back is therefore a finding where something is at
stake, by the code of what is, unless somebody says why; :mod:`.forward` then tries it.
"""

from __future__ import annotations

import datetime
import re
import uuid
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Union

from .samples import is_sampled, values
from .translate import MISSING, Computed, Const, Finding, Ignore, Src, Todo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .facts import Column, Field, Message, Model
    from .translate import AnyTranslator, Place, Rule, Translation, Translator

_NO_WORD = re.compile(r"[\W_]+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


def findings(translation: Translation, today: datetime.date) -> tuple[Finding, ...]:
    """Everything that is found, in the order of the lines."""
    found = [
        *_unmade(translation),
        *_unaccounted(translation),
        *(f for each in translation.translators for f in _of_translator(each, translation, today)),
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda f: (f.where.path, f.where.line, f.code, f.message)))


# --- ACL001, of whole messages --------------------------------------------------------------------------------------


def _unmade(translation: Translation) -> Iterator[Finding]:
    made = {each.target for each in translation.translators}
    for target, message in translation.messages.items():
        if message.required and target not in made and target not in translation.by_hand:
            yield Finding(
                "ACL001",
                f"nothing makes {message.name} ({message.place})",
                translation.where,
                "add a translator, or name it in `by_hand` with the reason",
            )
    for target, reason in translation.by_hand.items():
        if target in made or not reason.strip():
            name = getattr(target, "__name__", str(target))
            why = "has a translator" if target in made else "is made by hand, and no reason is given"
            yield Finding("ACL001", f"{name} {why}", translation.where, "say it once, with a reason")


# What a field takes, by its kind: what :mod:`.codec` takes, where anything else is an error in every call.
_TAKEN: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "bytes": (bytes,),
    "duration": (datetime.timedelta,),
    "float": (float, int),
    "int": (int,),
    "text": (str,),
    "timestamp": (datetime.datetime,),
}

# No message, and not several of anything.
_SINGLE = (bool, bytes, int, float, str, Decimal, datetime.date, datetime.time, datetime.timedelta, uuid.UUID, Enum)


def unfit(value: object, target: Field) -> str:
    """What a field takes, in words, where that is not this value; empty where it is, or nobody can tell.

    What becomes of enums is ACL004's, what time zones are missing ACL006's.
    """
    if target.repeated or target.kind == "message":
        return _taken(target) if isinstance(value, _SINGLE) else ""
    types = _TAKEN.get(target.kind)
    if types is None or (isinstance(value, types) and isinstance(value, bool) == (target.kind == "bool")):
        return ""
    return _taken(target)


def _taken(target: Field) -> str:
    one = f"a {target.message}" if target.kind == "message" else target.kind
    return f"several, each {one}" if target.repeated else one


def _unfit(rule: Src, target: Field, name: str, column: Column | None) -> Iterator[Finding]:
    """A column as it is, where the field does not take it: no row of it could be told to anybody."""
    if column is None or rule.to is not None or rule.values is not None or target.kind == "enum":
        return
    if _is_row(rule, column) and target.kind in ("message", *_TAKEN):
        remedy = "computed(…) with the translator of the related row, or a column of it: src('relation.column')"
    elif _is_unfit(column, target):
        remedy = f"say what becomes of it: src({rule.column!r}, to=…, back=…), or computed(…)"
    else:
        return
    text = f"{rule.column} holds {column.kind}, and {name} ({target.place}) takes {_taken(target)}"
    yield Finding("ACL001", text, rule.where, remedy)


def _is_row(rule: Src, column: Column) -> bool:
    """Whether a path ends at a row of another model, or at several: not at the key, which has an attribute of its own."""
    has_key = column.attribute not in ("", column.name)
    ends_at = rule.column.rpartition(".")[2]
    return column.kind == "relation" and (not column.stored or (has_key and ends_at == column.name))


def _is_unfit(column: Column, target: Field) -> bool:
    if not is_sampled(column) or (column.kind == "decimal" and target.kind == "float" and not target.repeated):
        return False
    example = next(iter(values(column)), None)
    return example is not None and bool(unfit(example, target))


# --- ACL002 ---------------------------------------------------------------------------------------------------------


def _unaccounted(translation: Translation) -> Iterator[Finding]:
    """Columns that are neither used nor dropped, over all translators: several may share a model."""
    used: dict[str, set[str]] = {name: set() for name in translation.models}
    dropped: dict[str, set[str]] = {name: set() for name in translation.models}
    for each in translation.translators:
        for path, _ in _paths(each):
            for owner, column in _resolved(path, each, translation):
                used[owner].add(column.name)
        for drop in each.drops:
            for name in drop.columns:
                for owner, column in _resolved(name, each, translation):
                    dropped[owner].add(column.name)
    for model in translation.models.values():
        where = next((e.where for e in translation.translators if model.name in e.models), translation.where)
        for column in model.columns:
            if column.stored and column.name not in used[model.name] | dropped[model.name]:
                yield Finding(
                    "ACL002",
                    f"{model.name}.{column.name} is neither used nor dropped",
                    where,
                    f'map it, or drop("{column.name}", reason="…")',
                )


def _paths(each: Translator[Any]) -> Iterator[tuple[str, Place]]:
    """The columns that a translator uses, with their lines."""
    for rule in each.rules.values():
        if isinstance(rule, Src):
            yield rule.column, rule.where
        elif isinstance(rule, Computed):
            for path in rule.uses:
                yield path, rule.where


def _resolved(path: str, each: Translator[Any], translation: Translation) -> Iterator[tuple[str, Column]]:
    """The columns on a path, with their models: ``product.slug`` uses the relation and the column."""
    first, _, rest = path.partition(".")
    for name in each.models:
        model = translation.models.get(name)
        column = model.column(first) if model else None
        if model is None or column is None:
            continue
        yield model.name, column
        other = translation.models.get(column.model)
        if rest and other is not None:
            yield from _followed(rest, other, translation)
        return


def _followed(path: str, model: Model, translation: Translation) -> Iterator[tuple[str, Column]]:
    first, _, rest = path.partition(".")
    column = model.column(first)
    if column is None:
        return
    yield model.name, column
    other = translation.models.get(column.model)
    if rest and other is not None:
        yield from _followed(rest, other, translation)


def column_at(path: str, each: AnyTranslator, translation: Translation) -> Column | None:
    """The column at the end of a path; None where the path leaves the models that are known."""
    steps = [column for _, column in _resolved(path, each, translation)]
    return steps[-1] if steps and len(steps) == path.count(".") + 1 else None


# --- one translator -------------------------------------------------------------------------------------------------


def _of_translator(each: Translator[Any], translation: Translation, today: datetime.date) -> Iterator[Finding]:
    message = translation.messages.get(each.target)
    if message is None:
        name = getattr(each.target, "__name__", str(each.target))
        yield Finding("ACL001", f"{name} is no type of this API", each.where, "take a class of gen/port.py")
        return
    yield from _unmapped(each, message)
    yield from _unknown_columns(each, translation)
    yield from _branches(each, message, translation)
    for attribute, rule in each.rules.items():
        target = message.field(attribute)
        if target is None:
            continue
        name = f"{message.name}.{target.name}"
        if isinstance(rule, Src):
            column = column_at(rule.column, each, translation)
            nullable = any(c.null for _, c in _resolved(rule.column, each, translation))
            yield from _unfit(rule, target, name, column)
            yield from _null(rule, target, name, nullable)
            yield from _null_as_value(rule, name, column)
            yield from _enum(rule, target, name, column)
            yield from _crossed(rule, target, name, column)
            yield from _time_and_money(rule, target, name, column)
        elif isinstance(rule, Computed):
            yield from _computed(rule, target, name, each, translation)
            yield from _left_behind(rule, not rule.uses and not _reason(rule), target, name, each, translation)
        elif isinstance(rule, Const):
            yield from _constant(rule, target, name)
            yield from _left_behind(rule, not rule.reason.strip(), target, name, each, translation)
        elif isinstance(rule, Ignore):
            yield from _expired(rule, name, today)


def _unmapped(each: Translator[Any], message: Message) -> Iterator[Finding]:
    for target in message.fields:
        code = "ACL005" if target.oneof else "ACL001"
        rule = each.rules.get(target.attribute)
        what = f'the branch "{target.oneof}" of {message.name}' if target.oneof else message.name
        if rule is None:
            message_text = f'nothing fills "{target.name}" of {what} ({target.place})'
            yield Finding(code, message_text, each.where, "src(…), computed(…), const(…) or ignore(reason, until=…)")
        elif isinstance(rule, Todo):
            text = f'"{target.name}" of {what} is not decided; proposed: {rule.proposal or "nothing"}'
            yield Finding(code, text, rule.where, "put what it is in place of todo(…)")
    for attribute, rule in each.rules.items():
        if message.field(attribute) is None:
            yield Finding(
                "ACL001",
                f'{message.name} has no field "{attribute}"',
                rule.where,
                "it was renamed or removed: follow it",
            )


def _unknown_columns(each: Translator[Any], translation: Translation) -> Iterator[Finding]:
    known = [name for name in each.models if name in translation.models]
    for name in each.models:
        if name not in translation.models:
            text = f"the snapshot has no model {name}"
            yield Finding("ACL002", text, each.where, "`scaffold acl introspect` again, or follow its new name")
    if len(known) < len(each.models):
        return
    uses = [*_paths(each), *((name, drop.where) for drop in each.drops for name in drop.columns)]
    for path, where in uses:
        steps = list(_resolved(path, each, translation))
        broken = not steps or (len(steps) <= path.count(".") and steps[-1][1].model in translation.models)
        if broken:
            text = f'{" and ".join(known) or "no model"} has no column "{path}"'
            yield Finding("ACL002", text, where, "it was renamed or removed, or the snapshot is older than the model")
    yield from _dropped(each)


def _dropped(each: Translator[Any]) -> Iterator[Finding]:
    used = {path.partition(".")[0] for path, _ in _paths(each)}
    for drop in each.drops:
        if not drop.reason.strip():
            yield Finding("ACL002", "a drop without a reason", drop.where, "say why the API leaves it behind")
        for name in drop.columns:
            if name in used:
                yield Finding("ACL002", f'"{name}" is used and dropped', drop.where, "take one of the two out")


def _left_behind(
    rule: Union[Const, Computed],
    suspicious: bool,
    target: Field,
    name: str,
    each: Translator[Any],
    translation: Translation,
) -> Iterator[Finding]:
    """A column that is called like a field which is the same in every message: a field that was dropped, in other words."""
    used = {column.name for path, _ in _paths(each) for _, column in _resolved(path, each, translation)}
    for model in (translation.models[m] for m in each.models if m in translation.models):
        column = model.column(target.name) or model.column(target.attribute)
        if suspicious and column is not None and column.stored and column.name not in used:
            what = "reads no column" if isinstance(rule, Computed) else "is the same in every message"
            yield Finding(
                "ACL002",
                f"{model.name}.{column.name} is left behind, and {name}, which is called the same, {what}",
                rule.where,
                "map it, name what is read in uses=…, or say why not: "
                + ("computed(…, one_way=reason)" if isinstance(rule, Computed) else "const(…, reason=…)"),
            )


# --- ACL003 ---------------------------------------------------------------------------------------------------------


def _null(rule: Src, target: Field, name: str, nullable: bool) -> Iterator[Finding]:
    if nullable and rule.null is MISSING and not target.presence:
        yield Finding(
            "ACL003",
            f"{rule.column} may be NULL, and {name} ({target.place}) cannot be absent: NULL would become 0 or empty",
            rule.where,
            f"make the field `optional` in the proto, or say what NULL means: src({rule.column!r}, null=…)",
        )


def _null_as_value(rule: Src, name: str, column: Column | None) -> Iterator[Finding]:
    """NULL as something that is not NULL. Empty text is what proto3 has for no text; 0 is a number like any other."""
    if column is None or not column.null or rule.null is MISSING or rule.lossy.strip():
        return
    paired = rule.values is not None and rule.null in rule.values.values()
    if paired or (rule.to is None and rule.values is None and _holds(column, rule.null)):
        yield Finding(
            "ACL003",
            f"{rule.column} may be NULL, and in {name} that is {_shown(rule.null)}, as of a row that has just that",
            rule.where,
            "make the field `optional` in the proto, take another value, or say why they are the same: lossy=…",
        )


def _holds(column: Column, null: object) -> bool:
    """Whether a column may hold what stands for NULL: 0, or one of two truth values."""
    if column.choices:
        return null in column.choices
    if not isinstance(null, (bool, int, float, Decimal, datetime.timedelta)) or (null and null is not True):
        return False
    low, high = column.low or 0, 1 if column.high is None else column.high
    return isinstance(null, datetime.timedelta) or low <= null <= high


# --- ACL004 ---------------------------------------------------------------------------------------------------------


def _enum(rule: Src, target: Field, name: str, column: Column | None) -> Iterator[Finding]:
    if target.kind != "enum":
        return
    if rule.values is None:
        yield Finding(
            "ACL004",
            f"{rule.column} goes into the enum {name} without a table of values: by number, SHIPPED becomes CANCELLED",
            rule.where,
            "pair them by name: values={1: port.State.PENDING, …}",
        )
        return
    paired = {partner.name for partner in rule.values.values()}
    for value in target.values:
        if value not in paired and value not in rule.unpaired and value != target.unspecified:
            text = f"{value} of {name} ({target.place}) is paired with no value of {rule.column}"
            yield Finding("ACL004", text, rule.where, f'pair it, or unpaired=("{value}",)')
    for value in (*rule.unpaired, *sorted(paired)):
        if value not in target.values:
            yield Finding("ACL004", f"{name} has no value {value}", rule.where, "it was renamed or removed: follow it")
    for choice in column.choices if column else ():
        if choice not in rule.values:
            text = f"{rule.column} may be {choice!r}, which is paired with nothing"
            yield Finding("ACL004", text, rule.where, "pair it with a value of the enum, by name")


def _crossed(rule: Src, target: Field, name: str, column: Column | None) -> Iterator[Finding]:
    """Values that are paired the wrong way round: each has a namesake, and it is another one."""
    if rule.values is None or rule.renamed.strip():
        return
    for value, partner in rule.values.items():
        own = value.name if isinstance(value, Enum) else called(value, column)
        meant = namesake(own, target)
        if meant and partner.name in target.values and meant != partner.name:
            yield Finding(
                "ACL004",
                f"{rule.column} {_shown(value)} is {own}, and is paired with {partner.name}: {name} has {meant}",
                rule.where,
                f"pair it with {meant}, or say why not: src(…, renamed=…)",
            )


def called(value: object, column: Column | None) -> str:
    """What the monolith calls a value of a column; empty where nobody knows."""
    choices = column.choices if column else ()
    names = column.names if column else ()
    found = next((name for choice, name in zip(choices, names) if choice == value), "")
    return found or (value if isinstance(value, str) else "")


def namesake(own: str, target: Field) -> str:
    """The value of the enum that is called so, with or without the prefix of its values; empty where none is."""
    prefix = target.unspecified.rpartition("UN")[0]
    return next((v for v in target.values if own and _plain(own) in (_plain(v), _plain(v.removeprefix(prefix)))), "")


def _plain(name: str) -> str:
    return _NO_WORD.sub("_", name).strip("_").upper()


# --- ACL005 ---------------------------------------------------------------------------------------------------------


def _branches(each: Translator[Any], message: Message, translation: Translation) -> Iterator[Finding]:
    """Two branches of one oneof that are always set leave one of them out, silently, on every row."""
    always: dict[str, list[tuple[str, Place]]] = {}
    for target in message.fields:
        rule = each.rules.get(target.attribute)
        if target.oneof and rule is not None and _is_always_set(rule, each, translation):
            always.setdefault(target.oneof, []).append((target.name, rule.where))
    for oneof, rules in always.items():
        others = [f for f in message.fields if f.oneof == oneof and f.name != rules[0][0]]
        open_ones = [f for f in others if not isinstance(each.rules.get(f.attribute), (Ignore, Todo, type(None)))]
        if open_ones:
            yield Finding(
                "ACL005",
                f'"{rules[0][0]}" of {message.name} is set in every row, so no other branch of "{oneof}" can be',
                rules[0][1],
                "computed(…) that gives None where another branch holds, or ignore the others",
            )


def _is_always_set(rule: Rule, each: Translator[Any], translation: Translation) -> bool:
    if isinstance(rule, Const):
        return rule.value is not None
    if isinstance(rule, Src) and rule.to is None and (rule.null is MISSING or rule.null is not None):
        steps = list(_resolved(rule.column, each, translation))
        return bool(steps) and not any(column.null for _, column in steps)
    return False


# --- ACL006 ---------------------------------------------------------------------------------------------------------


def _time_and_money(rule: Src, target: Field, name: str, column: Column | None) -> Iterator[Finding]:
    if column is None:
        return
    if _is_naive(column) and rule.zone is None and (rule.to is None or target.kind == "timestamp"):
        yield _no_zone(rule, rule.column, name, "src")
    elif column.kind == "decimal" and (target.kind == "float" or rule.to is float) and not rule.lossy.strip():
        yield _through_float(rule, rule.column, name, target, "src")
    elif not rule.returns and target.kind != "enum" and not _reason(rule):
        code, what = at_stake(column)
        if code:
            yield _one_way(code, rule, rule.column, what, name, "back=…, or src(…, one_way=…)")


def _computed(
    rule: Computed, target: Field, name: str, each: Translator[Any], translation: Translation
) -> Iterator[Finding]:
    """What a function of the row reads, as far as ``uses`` says it."""
    for path in rule.uses:
        column = column_at(path, each, translation)
        if column is None or not column.stored:
            continue
        if _is_naive(column) and rule.zone is None and target.kind == "timestamp":
            yield _no_zone(rule, path, name, "computed")
        elif column.kind == "decimal" and target.kind == "float" and not rule.lossy.strip():
            yield _through_float(rule, path, name, target, "computed")
        elif not rule.returns and not _reason(rule) and not _is_made(target, path, column, each, translation):
            nullable = any(c.null and c.stored for _, c in _resolved(path, each, translation))
            code, what = ("ACL004", "goes into an enum") if target.kind == "enum" else at_stake(column, nullable)
            if code:
                yield _one_way(code, rule, path, what, name, "src(…), back=…, or computed(…, one_way=…)")


def at_stake(column: Column, nullable: bool = False) -> tuple[str, str]:
    """What a function may spoil of a column, silently: the code for it, and the words; empty where that is nothing."""
    if column.choices:
        return "ACL004", "has choices"
    if column.kind in ("decimal", "datetime"):
        return "ACL006", f"is a {column.kind}"
    return ("ACL003", "may be NULL") if nullable else ("", "")


def _is_made(target: Field, path: str, column: Column, each: Translator[Any], translation: Translation) -> bool:
    """Whether a translator makes the message, of the same rows or of the related one: there the columns are checked.

    That the function really gives the row to it, :mod:`.forward` sees.
    """
    for other in translation.translators:
        message = translation.messages.get(other.target)
        if other is each or message is None or message.name != target.message:
            continue
        if other.models[:1] == (column.model,):
            return True
        if other.models[:1] == each.models[:1] and any(path == used for used, _ in _paths(other)):
            return True
    return False


def _is_naive(column: Column) -> bool:
    return column.kind == "datetime" and not column.aware


def _reason(rule: Union[Src, Computed]) -> str:
    return rule.one_way.strip() or rule.lossy.strip()


def _no_zone(rule: Union[Src, Computed], path: str, name: str, word: str) -> Finding:
    return Finding(
        "ACL006",
        f"{path} is a datetime without a time zone, and {name} is an instant",
        rule.where,
        f'name the zone that it is in: {word}(…, zone="Europe/Berlin")',
    )


def _through_float(rule: Union[Src, Computed], path: str, name: str, target: Field, word: str) -> Finding:
    return Finding(
        "ACL006",
        f"{path} is a Decimal and would go through a float into {name} ({target.place}): amounts change",
        rule.where,
        f"take minor units, google.type.Money or text in the proto; or {word}(…, lossy=reason) where it is no money",
    )


def _one_way(code: str, rule: Union[Src, Computed], path: str, what: str, name: str, remedy: str) -> Finding:
    return Finding(
        code,
        f"{path} {what}, and only a function without a way back knows what becomes of it in {name}",
        rule.where,
        f"{remedy} with the reason; what arrives is tried all the same",
    )


def _shown(value: object) -> str:
    return str(value) if isinstance(value, Enum) else repr(value)


def _constant(rule: Const, target: Field, name: str) -> Iterator[Finding]:
    if rule.value is None and not target.presence:
        yield Finding("ACL003", f"None for {name}, which cannot be absent", rule.where, "give a value")
    if isinstance(rule.value, datetime.datetime) and rule.value.tzinfo is None:
        yield Finding("ACL006", f"a datetime without a time zone for {name}", rule.where, "give it a tzinfo")


# --- ACL007 ---------------------------------------------------------------------------------------------------------


def _expired(rule: Ignore, name: str, today: datetime.date) -> Iterator[Finding]:
    if not rule.reason.strip():
        yield Finding("ACL007", f"{name} is ignored without a reason", rule.where, "say why, and until when")
    if not _DATE.match(rule.until):
        yield Finding("ACL007", f"until={rule.until!r} is no date", rule.where, 'write until="2027-03-31"')
        return
    try:
        until = datetime.date.fromisoformat(rule.until)
    except ValueError:
        yield Finding("ACL007", f"until={rule.until!r} is no date", rule.where, 'write until="2027-03-31"')
        return
    if until < today:
        text = f"the ignore of {name} has expired on {rule.until}: {rule.reason}"
        yield Finding("ACL007", text, rule.where, "map the field, or give the reason another date")
