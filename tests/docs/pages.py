"""The pages of the documentation, and what a program can see in them: fenced blocks, headings, links."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=fence)\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!\!)\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^(?P<marks>#+) (?P<title>.*)$", re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block. Its info string is a language, then words: ``file=PATH``, ``exit=1``, ``skip``."""

    page: str
    line: int
    language: str
    text: str
    words: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> tuple[Path, ...]:
    """README.md and every page below docs/."""
    return (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))


def shown(page: Path) -> str:
    """The page's path from the top of the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> tuple[Block, ...]:
    """The fenced blocks of a page, in order; those in HTML comments too, which readers do not see."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, *words = match["info"].split() or [""]
        pairs = dict(word.partition("=")[::2] for word in words)
        found.append(Block(shown(page), text.count("\n", 0, match.start()) + 1, language, match["body"], pairs))
    return tuple(found)


def prose(page: Path) -> str:
    """The page without its fenced blocks and its HTML comments."""
    return _COMMENT.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))


def links(page: Path) -> tuple[str, ...]:
    """The targets of the page's links, as they are written."""
    return tuple(match["target"] for match in _LINK.finditer(prose(page)))


def headings(page: Path, level: int = 0) -> tuple[str, ...]:
    """The page's headings, of one level or of all."""
    return tuple(m["title"].strip() for m in _HEADING.finditer(prose(page)) if level in (0, len(m["marks"])))


def anchor(heading: str) -> str:
    """What a link to a heading ends in, by GitHub's rule."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def table(page: Path, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head; cells as they are written."""
    text = page.read_text(encoding="utf-8")
    _, found, rest = text.partition(f"# {heading}\n")
    assert found, f"{shown(page)} has no heading {heading!r}"
    lines = iter(rest.splitlines())
    rows: list[list[str]] = []
    for line in lines:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip().strip("|").split(" | ")])
        elif rows:
            break
    return rows[2:]
