"""Python text: literals and docstrings that cannot break out, imports that cannot clash, lines that need no formatter.

Whatever comes from a proto (comments, names) passes through here before it becomes a part of a Python file.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 120

# Controls, and the characters that reorder text on a screen (CVE-2021-42574), never stand as themselves.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")

# What opens something of its own in a comment, as Markdown has it: an item of a list, a heading, a quotation, a table, code.
_OPENS = re.compile(r"[-*+>|#`]|\d+[.)]\s")


def literal(text: str) -> str:
    """The text as a Python string literal, in double quotes unless single ones save escapes; ASCII where it has to be."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}").replace("\n", "\\n").replace("\t", "\\t")
    return quote + _UNSAFE.sub(_escape, escaped) + quote


def docstring(text: str, indent: int = 0) -> str:
    """The text as a docstring, quotes included; lines after the first are indented by ``indent`` spaces.

    A comment in a proto may hold quotes or backslashes: they are escaped, so it stays text.
    """
    pad = " " * indent
    text = text.strip().replace("\t", "    ")
    hostile = '"""' in text or text.endswith('"')
    first, _, rest = "\n".join(text.splitlines()).partition("\n")
    # Where all but the first line are indented, formatters take that away.
    given = [first, *textwrap.dedent(rest).split("\n")] if rest else [first]
    lines = _wrap([_escaped(line.rstrip(), hostile) for line in given], WIDTH - indent - 6)
    if lines and lines[0].startswith('"'):
        lines[0] = f" {lines[0]}"  # as formatters have it
    if len(lines) < 2:
        return f'"""{"".join(lines)}"""'
    following = "\n".join(pad + line if line else "" for line in lines[1:])
    return f'"""{lines[0]}\n{following}\n{pad}"""'


def comment(text: str, indent: int = 0) -> str:
    """The text as comment lines, without the first line's indentation."""
    pad = " " * indent
    lines = _wrap([_UNSAFE.sub("?", line) for line in text.strip().splitlines()], WIDTH - indent - 2)
    return f"\n{pad}".join(f"# {line}".rstrip() for line in lines)


def fit(head: str, items: tuple[str, ...], tail: str, indent: int = 0) -> str:
    """``head item, item tail`` on one line where it fits, else one item a line with a trailing comma.

    The layout is that of ruff and black, so formatted output stays as it is. ``indent`` is that of the first line.
    """
    joined = head + ", ".join(items) + tail
    if indent + len(joined) <= WIDTH:
        return joined
    pad = " " * indent
    inner = ", ".join(items)
    if indent + 4 + len(inner) <= WIDTH:
        return f"{head}\n{pad}    {inner}\n{pad}{tail}"
    return exploded(head, items, tail, indent)


def exploded(head: str, items: tuple[str, ...], tail: str, indent: int = 0) -> str:
    """As ``fit``, for brackets that ruff never puts on one indented line (imports, collections with a magic comma)."""
    joined = head + ", ".join(items) + tail
    if indent + len(joined) <= WIDTH:
        return joined
    pad = " " * indent
    return f"{head}\n" + "".join(f"{pad}    {item},\n" for item in items) + f"{pad}{tail}"


def strings(head: str, values: Sequence[str], tail: str = "", indent: int = 0) -> str:
    """``head`` and a tuple of strings, as ruff lays it out."""
    items = tuple(literal(v) for v in values)
    return f"{head}({items[0]},){tail}" if len(items) == 1 else exploded(f"{head}(", items, f"){tail}", indent)


# What generated code says of Python's own names: a message called `float` must not hide them.
BUILTINS = frozenset({"float", "str"})


@dataclass
class Imports:
    """The imports of one module. ``add`` gives the name to use in the text: another one where it is taken."""

    reserved: frozenset[str] = frozenset()
    _names: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, module: str, name: str) -> str:
        """Import ``name`` from ``module`` (a dotted module, absolute or relative); with no module, the module ``name``."""
        key = (module, name)
        if key not in self._names:
            taken = {*self.reserved, *BUILTINS, *self._names.values()}
            local = name
            while local in taken:
                local += "_"
            self._names[key] = local
        return self._names[key]

    def lines(self, *, first_party: frozenset[str] = frozenset()) -> str:
        """The import statements in isort's order: standard library, others, the package's own, relative ones."""
        groups: list[list[str]] = [[], [], [], []]
        modules: dict[str, list[str]] = {}
        for (module, name), local in self._names.items():
            if module:
                modules.setdefault(module, []).append(name if local == name else f"{name} as {local}")
            else:
                groups[_group(name, first_party)].append(f"import {name}")
        for module in sorted(modules, key=import_order):
            # An import under another name is a statement of its own, as isort has it; those go by their first member.
            names = sorted(modules[module], key=member_order)
            plain = [name for name in names if " as " not in name]
            parts = [[name] for name in names if " as " in name] + ([plain] if plain else [])
            parts.sort(key=lambda part: member_order(part[0]))
            groups[_group(module, first_party)].extend(statement(module, part) for part in parts)
        return "\n\n".join("\n".join(group) for group in groups if group)


_STANDARD = frozenset({"__future__", "asyncio", "base64", "collections", "dataclasses", "typing", "unittest"})


def _group(module: str, first_party: frozenset[str]) -> int:
    top = module.split(".")[0]
    if module.startswith("."):
        return 3
    if top in first_party:
        return 2
    return 0 if top in _STANDARD else 1


Natural = tuple[tuple[tuple[int, int], ...], str]


def natural(name: str) -> Natural:
    """A key for isort's order: case does not count at first, and numbers go by value (``v2`` before ``v10``)."""
    tokens = re.findall(r"[0-9]+|.", name.lower())
    return (tuple((ord("0"), int(t)) if t[0] in "0123456789" else (ord(t), 0) for t in tokens), name)


def import_order(module: str) -> tuple[int, Natural]:
    """Relative imports: those from further up first, as isort has it."""
    dots = len(module) - len(module.lstrip("."))
    return (-dots, natural(module))


def member_order(name: str) -> tuple[int, Natural]:
    """Constants, then classes, then the rest: isort's order of members (``order-by-type``)."""
    bare = name.split(" as ")[0]
    if bare.isupper() and len(bare) > 1:
        return (0, natural(name))
    return (1 if bare[:1].isupper() else 2, natural(name))


def statement(module: str, names: list[str], indent: int = 0) -> str:
    """``from module import names``, broken into lines where it is long; the names are in order already."""
    line = f"from {module} import {', '.join(names)}"
    return line if indent + len(line) <= WIDTH else exploded(f"from {module} import (", tuple(names), ")", indent)


def _wrap(lines: Sequence[str], width: int) -> list[str]:
    """The lines, none longer than ``width``: a paragraph in which one is too long is filled anew, the others stay."""
    wrapped: list[str] = []
    paragraph: list[str] = []
    for line in [*lines, ""]:
        if paragraph and not _goes_on(line):
            wrapped += _filled(paragraph, width)
            paragraph = []
        paragraph.append(line)
    return wrapped


def _goes_on(line: str) -> bool:
    """Whether a line is more of the paragraph before it: neither empty, nor indented, nor a mark of Markdown's."""
    return bool(line) and not line[0].isspace() and not _OPENS.match(line)


def _filled(paragraph: list[str], width: int) -> list[str]:
    if all(len(line) <= width for line in paragraph):
        return paragraph
    first = paragraph[0]
    indent = first[: len(first) - len(first.lstrip())]
    return textwrap.wrap(
        " ".join(paragraph), width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _escaped(line: str, quotes: bool) -> str:
    line = line.replace("\\", "\\\\")
    return _UNSAFE.sub(_escape, line.replace('"', '\\"') if quotes else line)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
