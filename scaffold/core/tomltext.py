"""Edits of scaffold.toml that leave every other byte as it is. Each is checked against what TOML makes of the result."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.core.settings import FILE, TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaffold.core.settings import Described

_HEADER = re.compile(r"\s*\[")


def without(text: str, kind: Described, name: str) -> tuple[str, str]:
    """The text without the table of a component or a layer, and that table's text; both as given where it has none.

    Comments above the table stay. Raises ScaffoldError where it is not written as a table of its own.
    """
    data = tomllib.loads(text)
    section = TABLES[kind]
    if name not in data.get(section, {}):
        return text, ""
    lines = text.splitlines(keepends=True)
    first, last = _extent(lines, section, name)
    # The empty line that sets it off goes with it; at the end of the file that is the one before.
    before = first > 0 and not lines[first - 1].strip() and (last == len(lines) or not lines[last].strip())
    left = "".join([*lines[: first - before], *lines[last:]])

    def expected(data: dict[str, Any]) -> None:
        del data[section][name]

    _check(text, left, expected, section, name)
    return left, "".join(lines[first:last])


def renamed(text: str, kind: Described, name: str, new: str) -> str:
    """The text with the table of a component or a layer under another name, and every `uses` of a component following.

    Raises ScaffoldError where a table or a list is not written in the plain way.
    """
    section = TABLES[kind]
    lines = text.splitlines(keepends=True)
    first, _ = _extent(lines, section, name)
    lines[first] = re.sub(rf"\b{name}\b(?=[\"']?\s*\])", new, lines[first], count=1)
    result = "".join(lines)
    users = tomllib.loads(text).get("processes", {}) if kind != "acl" else {}
    for user, table in users.items():
        if name in table.get("uses", ()):
            result = _with_use(result, new if (section, name) == ("processes", user) else user, name, new)

    def expected(data: dict[str, Any]) -> None:
        data[section] = {new if key == name else key: table for key, table in data[section].items()}
        for table in data.get("processes", {}).values():
            if "uses" in table and kind != "acl":
                table["uses"] = [new if used == name else used for used in table["uses"]]

    _check(text, result, expected, section, name)
    return result


def _with_use(text: str, user: str, name: str, new: str) -> str:
    """The text with one name replaced in the list `uses` of a process."""
    lines = text.splitlines(keepends=True)
    first, last = _extent(lines, "processes", user)
    table = "".join(lines[first:last])
    found = re.search(r"^[ \t]*uses[ \t]*=[ \t]*\[[^\]]*\]", table, re.MULTILINE)
    if found is None:
        return text  # written in some other way: the check of the result says so
    changed = re.sub(rf"([\"']){name}\1", rf"\g<1>{new}\g<1>", found[0])
    return "".join([*lines[:first], table[: found.start()], changed, table[found.end() :], *lines[last:]])


def _extent(lines: list[str], section: str, name: str) -> tuple[int, int]:
    """The lines of a table: its header and what follows, without comments and empty lines before the next table."""
    header = re.compile(rf"\s*\[\s*{section}\s*\.\s*([\"']?){name}\1\s*\]\s*(#.*)?$")
    first = next((number for number, line in enumerate(lines) if header.match(line)), None)
    if first is None:
        raise ScaffoldError(_not_plain(section, name))
    last = next((n for n in range(first + 1, len(lines)) if _HEADER.match(lines[n])), len(lines))
    while last > first + 1 and (not lines[last - 1].strip() or lines[last - 1].lstrip().startswith("#")):
        last -= 1
    return first, last


def _check(before: str, after: str, expected: Callable[[dict[str, Any]], None], section: str, name: str) -> None:
    """See that an edit did what it was meant to and nothing else, whatever the lines looked like."""
    data = tomllib.loads(before)
    expected(data)
    try:
        made = tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        raise ScaffoldError(_not_plain(section, name)) from None
    if {k: v for k, v in made.items() if v != {}} != {k: v for k, v in data.items() if v != {}}:
        raise ScaffoldError(_not_plain(section, name))


def _not_plain(section: str, name: str) -> Diagnostic:
    return Diagnostic(
        "table-not-plain",
        f"[{section}.{name}] is written in a way that cannot be edited without touching the rest",
        Location(FILE),
        f"write it as a table of its own that begins with the line [{section}.{name}], its lists in [ ], and run this again",
    )
