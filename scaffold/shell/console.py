"""How things look on a terminal and elsewhere: diagnostics, plans, colours, progress."""

from __future__ import annotations

import difflib
import json
import os
import sys
from itertools import zip_longest
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scaffold.core.diagnostics import Diagnostic
    from scaffold.core.evolve import Evolution, Item, Section
    from scaffold.core.lines import Line
    from scaffold.core.plan import Change, Plan

_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_SEVERITY = {"error": "red", "warning": "yellow", "note": "cyan"}
_MARKS = {"create": "+", "update": "~", "delete": "-", "move": ">", "attic": "^", "conflict": "!", "orphan": "?"}
_ACTION = {
    "create": "green", "update": "yellow", "delete": "red", "move": "cyan", "attic": "cyan", "conflict": "red",
    "orphan": "red",
}  # fmt: skip


def colourful(stream: TextIO) -> bool:
    """Whether colours and progress belong on a stream: a terminal, and no NO_COLOR (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def style(text: str, name: str, stream: TextIO) -> str:
    """The text in a style, where the stream shows it."""
    return f"\x1b[{_STYLES[name]}m{text}\x1b[0m" if colourful(stream) else text


def printable(text: str) -> str:
    """Text that came from a proto, a file or a server: control characters are shown, never obeyed by the terminal."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def say(text: str = "", stream: TextIO | None = None) -> None:
    """Print a line, its end with it: what several threads say stays in lines of their own."""
    out = stream or sys.stdout
    out.write(f"{text}\n")
    out.flush()


def show_diagnostics(diagnostics: Iterable[Diagnostic], stream: TextIO | None = None) -> None:
    """Print diagnostics: ``file:line:col: slug: message``, and below it the remedy, once for several that share it."""
    stream = stream or sys.stderr
    found = tuple(diagnostics)
    for d, after in zip_longest(found, found[1:]):
        place = f"{d.where}: " if d.where else ""
        slug = style(d.slug, _SEVERITY[d.severity.value], stream)
        prefix = "" if d.severity.value == "error" else f"{d.severity.value}: "
        say(printable(f"{place}{prefix}") + slug + printable(f": {d.message}"), stream)
        if d.remedy and (after is None or (after.slug, after.remedy) != (d.slug, d.remedy)):
            say(printable(f"  help: {d.remedy}"), stream)


_WORDS = {
    "reorder": "order", "stream": "streams", "retype": "type", "renumber": "number", "option": "options",
    "comment": "comments",
}  # fmt: skip
_INDENT = " " * 10
_TITLE = 66  # how wide a change's title is, where its place follows
_TESTS_SHOWN = 3


def show_evolution(evolution: Evolution | None, *, short: bool = False) -> None:
    """Print what changed in the APIs, component by component, and the lines of the user's that it touches.

    ``short`` leaves out what asks for nothing: what was only added, the lines that only name what changed.
    """
    if evolution is None or not evolution.sections:
        return
    sections = [section for section in evolution.sections if not short or _asks(section)]
    if not short:
        items = [item for section in sections for item in section.items]
        places = sorted({item.difference.where.path for item in items} - {""})
        where = f"{len(places)} protos" if len(places) > 1 else "".join(places) or "the protos"
        say(f"{_count(items, 'change')} in {printable(where)} since the last regen")
    for number, section in enumerate(sections):
        if number or not short:
            say()
        _show_section(section, short)
    if sections:
        say()


def _asks(section: Section) -> bool:
    """Whether there is something to do in a component."""
    return bool(section.edits) or any(_is_asked(item) for item in section.items)


def _is_asked(item: Item) -> bool:
    return bool(item.moves or item.commands or (item.edit and item.lines))


def _show_section(section: Section, short: bool) -> None:
    out = sys.stdout
    uses = f", uses {', '.join(section.uses)}" if section.uses else ""
    say(f"{style(section.name, 'bold', out)} ({section.kind}{uses})")
    for item in section.items:
        if not short or _is_asked(item):
            _show_item(section, item, short)
    if section.edits:
        _show_edits("", section.name, section.edits, "  ")


def _show_item(section: Section, item: Item, short: bool) -> None:
    word = "rename?" if item.proposed else _WORDS.get(item.difference.what, item.difference.what)
    colour = {"add": "green", "remove": "red", "rename?": "yellow"}.get(word, "cyan")
    title, where = printable(item.title), item.difference.where
    # The file's own name is enough: the first line says where it is.
    place = printable(f"   {where.path.rpartition('/')[2]}:{where.line}") if where.line else ""
    say(f"  {style(f'{word:<7}', colour, sys.stdout)} {title:<{_TITLE}}{place}".rstrip())
    if item.why:
        _say_below(f"why: {item.why}")
    for text in () if short else (*item.notes, item.rows):
        if text:
            _say_below(text)
    if item.commands:
        _say_below(f"do it:      {item.commands[0]}")
    for move in item.moves:
        way = f"{_short_path(move.source)} -> {_short_path(move.target)}   your {_count(move.lines, 'line')}, byte for byte"
        _say_below(f"{'  moves    ' if item.commands else 'moves'} {way}")
    if item.edit and item.lines:
        _show_edits("then " if item.moves else "", section.name, item.lines, _INDENT + "  " * bool(item.commands))
    elif not short and (item.lines or item.callers):
        _show_uses(item)
    if item.commands:
        _say_below(f"or not:     {item.commands[1]}    (an orphan and a new stub)")


def _say_below(text: str) -> None:
    say(_INDENT + printable(text))


def _show_uses(item: Item) -> None:
    """The lines that only name what changed, shortly: nothing has to be done about them."""
    parts = [_listed(item.lines)] if item.lines else []
    if not item.edit:
        parts += [f"{caller.component}: {_listed(caller.lines)}" for caller in item.callers if not caller.edit]
    if parts:
        _say_below(f"uses {item.about}, at least: {'; '.join(parts)}")


def _listed(lines: Sequence[Line]) -> str:
    """``handlers/add_item.py:15, 18, tests/test_handlers.py:9``."""
    files: dict[str, list[str]] = {}
    for line in lines:
        files.setdefault(_short_path(line.path), []).append(str(line.line))
    return ", ".join(f"{path}:{', '.join(numbers)}" for path, numbers in files.items())


def _show_edits(lead: str, name: str, lines: Sequence[Line], indent: str) -> None:
    """The lines to edit, at least; of a file of tests the first ones, since the tests themselves will tell."""
    if any(line.at_start for line in lines):
        what = f"or {name} will not start"
    elif all(_short_path(line.path).startswith("tests/") for line in lines):
        what = "or the tests fail"
    else:
        what = "or they fail when they run"
    say(f"{indent}{lead}edit at least these, {what}:")
    width = max(len(f"{_short_path(line.path)}:{line.line}") for line in lines)
    shown: dict[str, int] = {}
    for line in lines:
        path = _short_path(line.path)
        shown[path] = shown.get(path, 0) + 1
        if not path.startswith("tests/") or shown[path] <= _TESTS_SHOWN:
            text = " ".join(line.text.split())
            say(f"{indent}  " + printable(f"{f'{path}:{line.line}':<{width}}   {text}"))
    for path, count in shown.items():
        if path.startswith("tests/") and count > _TESTS_SHOWN:
            say(f"{indent}  " + printable(f"{path}   and {_count(count - _TESTS_SHOWN, 'line')} more"))


def _count(what: Sequence[object] | int, noun: str) -> str:
    number = what if isinstance(what, int) else len(what)
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _short_path(path: str) -> str:
    """A file of a component without the way to it: `handlers/get_cart.py`, `tests/test_handlers.py`."""
    _, found, rest = path.partition("/src/")
    if found:
        return rest.partition("/")[2]
    _, found, rest = path.partition("/tests/")
    return f"tests/{rest}" if found else path


def decisions(plan: Plan) -> tuple[Diagnostic, ...]:
    """What has to be decided, without the renames: those stand where they are shown, with what they touch."""
    shown = set(plan.evolution.decisions) if plan.evolution else set()
    return tuple(d for d in plan.open if d not in shown)


def show_changes(plan: Plan, *, diff: bool = False) -> None:
    """Print what happens: a line for each file that is or can become the user's, one for all generated ones of a folder.

    With ``diff`` every file has a line, and its changed lines.
    """
    out = sys.stdout
    folders: dict[tuple[str, str], int] = {}
    for change in plan.changes:
        if change.action == "keep":
            continue
        if change.owner == "generated" and not diff and change.action != "conflict" and not change.archived:
            key = (_component(change.path), change.action)
            folders[key] = folders.get(key, 0) + 1
            continue
        mark = style(_MARKS[change.action], _ACTION[change.action], out)
        # What is moved or archived has been edited: other stubs are made anew instead.
        is_edited = change.action in ("move", "attic", "orphan")
        stub = "yours" if is_edited else "yours once edited"
        whose = {"generated": "", "stub": f"   ({stub})", "yours": "   (yours)"}[change.owner]
        come = f"{change.source} -> " if change.source else ""
        gone = "   -> attic" if change.archived else ""
        say(f"{mark} {printable(f'{come}{change.path}')}{style(whose + gone, 'dim', out)}")
        if diff:
            _show_diff(change)
    for (folder, action), count in folders.items():
        mark = style(_MARKS[action], _ACTION[action], out)
        say(f"{mark} {printable(folder)}: {count} generated file{'s' if count > 1 else ''}")


def _component(path: str) -> str:
    """The folder that a generated file is reported under: that of its component."""
    for inside in ("/src/", "/tests/contract/", "/.importlinter"):
        head, found, _ = path.partition(inside)
        if found:
            return head
    return path


def _show_diff(change: Change) -> None:
    for line in _diff(change):
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
        say("  " + (style(printable(line), colour, sys.stdout) if colour else printable(line)))


def counts(plan: Plan) -> str:
    """``9 created, 2 updated, 61 unchanged``."""
    words = {
        "create": "created",
        "update": "updated",
        "delete": "deleted",
        "move": "moved",
        "attic": "to the attic",
        "conflict": "in conflict",
        "orphan": "orphaned",
    }
    numbers = {a: sum(c.action == a for c in plan.changes) for a in (*words, "keep")}
    parts = [f"{numbers[a]} {word}" for a, word in words.items() if numbers[a]]
    said = ", ".join([*parts, f"{numbers['keep']} unchanged"])
    return f"{said}; {_count(plan.decisions, 'decision')} needed" if plan.decisions else said


def plan_json(plan: Plan) -> str:
    """The plan for programs: changes, decisions and notes; contents are left out."""
    changes = [
        {
            "path": c.path,
            "action": c.action,
            "owner": c.owner,
            "origin": c.origin,
            "source": c.source,
            "attic": c.archived,
        }
        for c in plan.changes
        if c.action != "keep"
    ]
    unchanged = sum(c.action == "keep" for c in plan.changes)
    return json.dumps(
        {
            "changes": changes,
            "unchanged": unchanged,
            "decisions": diagnostics_data(plan.open),
            "notes": diagnostics_data(plan.notes),
            "evolution": [_section_data(section) for section in plan.evolution.sections] if plan.evolution else [],
        },
        indent=2,
    )


def _section_data(section: Section) -> dict[str, object]:
    return {
        "component": section.name,
        "kind": section.kind,
        "uses": list(section.uses),
        "items": [_item_data(item) for item in section.items],
        "edits": _lines_data(section.edits),
    }


def _item_data(item: Item) -> dict[str, object]:
    difference = item.difference
    return {
        "what": difference.what,
        "kind": difference.kind,
        "before": difference.before,
        "after": difference.after,
        "detail": difference.detail,
        "path": difference.where.path,
        "line": difference.where.line,
        "title": item.title,
        "breaks": difference.breaks,
        "notes": list(item.notes),
        "rows": item.rows,
        "stored": difference.reads.name.lower() if item.rows and difference.reads is not None else "",
        "edit": item.edit,
        "lines": _lines_data(item.lines),
        "callers": [
            {"component": c.component, "lines": _lines_data(c.lines), "edit": item.edit or c.edit} for c in item.callers
        ],
        "why": item.why,
        "along": list(item.along),
        "moves": [{"from": m.source, "to": m.target, "lines": m.lines} for m in item.moves],
        "proposed": item.proposed,
        "commands": list(item.commands),
    }


def _lines_data(lines: Iterable[Line]) -> list[dict[str, object]]:
    return [{"path": x.path, "line": x.line, "text": x.text, "at_start": x.at_start} for x in lines]


def diagnostics_data(diagnostics: Iterable[Diagnostic]) -> list[dict[str, object]]:
    """Diagnostics for programs."""
    return [
        {
            "slug": d.slug,
            "severity": d.severity.value,
            "message": d.message,
            "path": d.where.path if d.where else "",
            "line": d.where.line if d.where else 0,
            "column": d.where.column if d.where else 0,
            "remedy": d.remedy,
        }
        for d in diagnostics
    ]


def show_github(diagnostics: Iterable[Diagnostic]) -> None:
    """Print diagnostics as GitHub annotations, escaped as its workflow commands want it."""
    for d in diagnostics:
        kind = {"error": "error", "warning": "warning", "note": "notice"}[d.severity.value]
        place = []
        if d.where:
            place = [
                f"file={_github(d.where.path, True)}",
                f"line={max(d.where.line, 1)}",
                f"col={max(d.where.column, 1)}",
            ]
        text = f"{d.message}. {d.remedy}" if d.remedy else d.message
        say(f"::{kind} {','.join([*place, f'title={_github(d.slug, True)}'])}::{_github(text, False)}")


def _github(text: str, is_property: bool) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if is_property else text


def _diff(change: Change) -> list[str]:
    if change.path.endswith("/gen/descriptors.py"):
        return ["the API's descriptors (bytes)"]
    before = (change.before or b"").decode(errors="replace").splitlines()
    after = (change.after or b"").decode(errors="replace").splitlines()
    lines = list(difflib.unified_diff(before, after, change.path, change.path, lineterm="", n=2))
    return lines[2:]
