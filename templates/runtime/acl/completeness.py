"""The checks of translators, ACL001 to ACL007: one function for each, from facts and rules to findings.

ACL001 a target that nothing fills · ACL002 a column that nobody accounts for · ACL003 a NULL that would turn into 0 ·
ACL004 an enum value without a partner · ACL005 a branch of a oneof · ACL006 a naive datetime, or a Decimal through float ·
ACL007 an ignore that has expired.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

from .translate import MISSING, Computed, Const, Finding, Ignore, Src, Todo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .facts import Column, Field, Message, Model
    from .translate import Place, Rule, Translation, Translator

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


def _column(path: str, each: Translator[Any], translation: Translation) -> Column | None:
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
            column = _column(rule.column, each, translation)
            nullable = any(c.null for _, c in _resolved(rule.column, each, translation))
            yield from _null(rule, target, name, nullable)
            yield from _enum(rule, target, name, column)
            yield from _time_and_money(rule, target, name, column)
        elif isinstance(rule, Const):
            yield from _constant(rule, target, name)
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


# --- ACL003 ---------------------------------------------------------------------------------------------------------


def _null(rule: Src, target: Field, name: str, nullable: bool) -> Iterator[Finding]:
    if nullable and rule.null is MISSING and not target.presence:
        yield Finding(
            "ACL003",
            f"{rule.column} may be NULL, and {name} ({target.place}) cannot be absent: NULL would become 0 or empty",
            rule.where,
            f"make the field `optional` in the proto, or say what NULL means: src({rule.column!r}, null=…)",
        )


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
    if column.kind == "datetime" and not column.aware and rule.zone is None and rule.to is None:
        yield Finding(
            "ACL006",
            f"{rule.column} is a datetime without a time zone, and {name} is an instant",
            rule.where,
            'name the zone that it is in: src(…, zone="Europe/Berlin")',
        )
    if column.kind == "decimal" and (target.kind == "float" or rule.to is float) and not rule.lossy.strip():
        yield Finding(
            "ACL006",
            f"{rule.column} is a Decimal and would go through a float into {name} ({target.place}): amounts change",
            rule.where,
            "take minor units, google.type.Money or text in the proto; or src(…, lossy=reason) where it is no money",
        )


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
