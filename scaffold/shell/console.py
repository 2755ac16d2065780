"""How things look on a terminal and elsewhere: diagnostics, plans, colours, progress."""

from __future__ import annotations

import difflib
import json
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scaffold.core.diagnostics import Diagnostic, Location
    from scaffold.core.evolve import Evolution, Item, Line, Section
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
    """Print a line."""
    print(text, file=stream or sys.stdout, flush=True)


def show_diagnostics(diagnostics: Iterable[Diagnostic], stream: TextIO | None = None) -> None:
    """Print diagnostics, one or two lines each: ``file:line:col: slug: message`` and the remedy."""
    stream = stream or sys.stderr
    for d in diagnostics:
        place = f"{d.where}: " if d.where else ""
        slug = style(d.slug, _SEVERITY[d.severity.value], stream)
        prefix = "" if d.severity.value == "error" else f"{d.severity.value}: "
        say(printable(f"{place}{prefix}") + slug + printable(f": {d.message}"), stream)
        if d.remedy:
            say(printable(f"  help: {d.remedy}"), stream)


_WORDS = {
    "reorder": "order", "stream": "streams", "retype": "type", "renumber": "number", "option": "options",
    "comment": "comments",
}  # fmt: skip
_INDENT = " " * 10
_INDENTED = 12


def show_evolution(evolution: Evolution | None, *, short: bool = False) -> None:
    """Print what changed in the APIs, component by component, and the lines of the user's that it touches.

    ``short`` leaves out what asks for nothing: the lines that only name what changed, and what becomes of rows.
    """
    if evolution is None or not evolution.sections:
        return
    places = sorted({i.difference.where.path for s in evolution.sections for i in s.items if i.difference.where.path})
    count = sum(len(section.items) for section in evolution.sections)
    where = f"in {places[0]}" if len(places) == 1 else f"in {len(places)} protos" if places else "in the protos"
    if not short:
        say(f"{count} change{'s' if count != 1 else ''} {printable(where)} since the last regen")
    for section in evolution.sections:
        if not short or section.edits or any(_asks(item) for item in section.items):
            _show_section(section, short)
    say()


def _asks(item: Item) -> bool:
    """Whether there is something to do about a change."""
    return bool(item.moves or item.commands or (item.edit and item.lines))


def _show_section(section: Section, short: bool) -> None:
    uses = f", uses {', '.join(section.uses)}" if section.uses else ""
    say()
    say(f"{style(section.name, 'bold', sys.stdout)} ({section.kind}{uses})")
    for item in section.items:
        if not short or _asks(item):
            _show_item(section, item, short)
    if section.edits:
        _show_lines("edit", section.name, section.edits)


def _show_item(section: Section, item: Item, short: bool) -> None:
    word = "rename?" if item.proposed else _WORDS.get(item.difference.what, item.difference.what)
    colour = {"add": "green", "remove": "red", "rename?": "yellow"}.get(word, "cyan")
    title = printable(item.title)
    place = _place(item.difference.where)
    width = max(78 - _INDENTED, len(title) + 1)
    padded = f"{title:<{width}}{printable(place)}" if place else title
    say(f"  {style(f'{word:<7}', colour, sys.stdout)} {padded}")
    if item.why:
        say(f"{_INDENT}why: {printable(item.why)}")
    for note in item.notes if not short else ():
        say(_INDENT + printable(note))
    if item.rows and not short:
        say(_INDENT + printable(item.rows))
    if item.commands:
        say(f"{_INDENT}do it:      {printable(item.commands[0])}")
    for source, target in item.moves:
        say(f"{_INDENT}{'  moves     ' if item.commands else 'moved  '}{printable(_inside(source, target))}")
    if item.edit and item.lines:
        _show_lines("then edit" if item.moves else "edit", section.name, item.lines, deeper=bool(item.commands))
    elif item.lines and not short:
        say(f"{_INDENT}uses it: {printable(', '.join(f'{_short_path(x.path)}:{x.line}' for x in item.lines))}")
    for caller in item.callers if not short and not item.edit else ():
        lines = ", ".join(f"{_short_path(x.path)}:{x.line}" for x in caller.lines)
        say(f"{_INDENT}uses it: {printable(f'{caller.component}: {lines}')}")
    if item.commands:
        say(f"{_INDENT}or not:     {printable(item.commands[1])}    (an orphan and a new stub)")


def _show_lines(verb: str, name: str, lines: Sequence[Line], *, deeper: bool = False) -> None:
    """The lines to edit (at least), first of all those that keep a component from starting."""
    indent = _INDENT + "  " * deeper if verb != "edit" or deeper else _INDENT
    why = f", or {name} will not start" if any(line.at_start for line in lines) else ""
    say(f"{indent}{verb}{why}:")
    width = max(len(f"{_short_path(line.path)}:{line.line}") for line in lines)
    for line in lines:
        say(
            f"{indent}  "
            + printable(f"{f'{_short_path(line.path)}:{line.line}':<{width}}   {line.text}").replace("\t", " ")
        )


def _place(where: Location) -> str:
    """A place by its file's own name: the head of the page says where that is."""
    return f"{where.path.rpartition('/')[2]}:{where.line}" if where.line else ""


def _inside(source: str, target: str) -> str:
    return f"{_short_path(source)} -> {_short_path(target)}"


def _short_path(path: str) -> str:
    """A file of a component without the way to it: `handlers/get_cart.py`, `tests/test_handlers.py`."""
    _, found, rest = path.partition("/src/")
    if found:
        return rest.partition("/")[2]
    _, found, rest = path.partition("/tests/")
    return f"tests/{rest}" if found else path


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
        whose = {"generated": "", "stub": "   (yours once edited)", "yours": "   (yours)"}[change.owner]
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
    return ", ".join([*parts, f"{numbers['keep']} unchanged"])


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
        "callers": [{"component": c.component, "lines": _lines_data(c.lines)} for c in item.callers],
        "why": item.why,
        "moves": [{"from": source, "to": target} for source, target in item.moves],
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
