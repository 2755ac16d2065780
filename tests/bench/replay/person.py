"""Somebody who works in a generated workspace: every file that is theirs has lines of theirs, each line only once."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from scaffold.core.render import Artifact

HOWS = ("below", "inside", "without the stamp", "with CRLF")
_STAMP = b"# scaffold:stub from "


@dataclass(frozen=True)
class Theirs:
    """A file of the person's: what it was made from, the lines they added, and how they write."""

    base: bytes
    lines: tuple[bytes, ...]
    how: str

    @property
    def content(self) -> bytes:
        """The file as it has to be on disk, byte for byte."""
        body, found, stamped = self.base.rpartition(_STAMP)
        if self.how == "without the stamp" and found:
            content = body.rstrip() + b"\n\n\n" + b"".join(self.lines)
        elif self.how == "inside" and (at := _last_statement(self.base)):
            indented = b"".join(b"    " + line for line in self.lines)
            content = self.base[:at] + indented + self.base[at:]
        elif found:
            content = body + b"".join(self.lines) + b"\n\n" + found + stamped
        else:
            content = self.base + b"".join(self.lines)
        return content.replace(b"\n", b"\r\n") if self.how == "with CRLF" else content


class Person:
    """Writes into every file that can be theirs, and follows the API where their code has to."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._count = 0
        self.files: dict[str, Theirs] = {}

    def write(self, fresh: Mapping[str, Artifact]) -> None:
        """Put lines into every file that is a stub or theirs by birth, and into one of those that have some already."""
        for path, artifact in sorted(fresh.items()):
            content = self._bytes(path)
            if artifact.owner == "generated" or path in self.files or content is None or path.endswith("py.typed"):
                continue
            how = HOWS[self._count % len(HOWS)] if path.endswith(".py") else "below"
            self._save(path, Theirs(content, (self._line(path),), how))
        for folder in {path.rpartition("/src/")[0] for path in fresh if "/src/" in path}:
            self._save_strangers(folder)
        again = sorted(self.files)[self._count % len(self.files)]
        theirs = self.files[again]
        self._save(again, replace(theirs, lines=(*theirs.lines, self._line(again))))

    def _save_strangers(self, folder: str) -> None:
        """Files that scaffold has never heard of: below the component, beside the handlers, and within gen/."""
        package = next(path for path in self._root.joinpath(folder, "src").iterdir() if (path / "gen").is_dir())
        inside = package.relative_to(self._root).as_posix()
        for path in (f"{folder}/notes.md", f"{inside}/handlers/helpers.py", f"{inside}/gen/mine.txt"):
            if path not in self.files:
                self._save(path, Theirs(b"", (self._line(path),), "below"))

    def follow(self, fresh: Mapping[str, Artifact]) -> None:
        """Bring the files up to date whose code the API has outdated; their lines stay."""
        for path in tuple(self.outdated(fresh)):
            self._save(path, replace(self.files[path], base=_content(fresh[path])))

    def outdated(self, fresh: Mapping[str, Artifact]) -> Iterator[str]:
        """The files of theirs that would say something else if they were made from this API."""
        for path, theirs in sorted(self.files.items()):
            if path in fresh and path.endswith(".py") and _code(_content(fresh[path])) != _code(theirs.base):
                yield path

    def moved(self, places: Mapping[str, str]) -> None:
        """Files of theirs have other places now: old path → new path."""
        moved = {new: self.files.pop(old) for old, new in places.items() if old in self.files}
        self.files.update(moved)

    def lost(self) -> dict[str, int]:
        """How many bytes are not where they have to be, by path.

        Where somebody else has written into a file, all of it counts: which of its bytes still are the person's, nobody
        can say.
        """
        return {path: len(theirs.content) for path, theirs in self.files.items() if self._bytes(path) != theirs.content}

    def _line(self, path: str) -> bytes:
        self._count += 1
        return f"# {self._count:06d}: a line of mine in {path}\n".encode()

    def _save(self, path: str, theirs: Theirs) -> None:
        self.files[path] = theirs
        (self._root / path).parent.mkdir(parents=True, exist_ok=True)
        (self._root / path).write_bytes(theirs.content)

    def _bytes(self, path: str) -> bytes | None:
        file = self._root / path
        return file.read_bytes() if file.is_file() else None


def _content(artifact: Artifact) -> bytes:
    assert (
        artifact.content is not None
    )  # only what stands unchanged is not rendered, and nothing stands in an empty folder
    return artifact.content


def _last_statement(content: bytes) -> int:
    """Where the last indented line of a module begins; 0 where there is none."""
    lines = content.splitlines(keepends=True)
    numbers = [n for n, line in enumerate(lines) if line.startswith(b"    ") and not line.strip().startswith(b'"""')]
    return sum(map(len, lines[: numbers[-1]])) if numbers else 0


def _code(content: bytes) -> str:
    """What a module does, without comments and docstrings."""
    tree = ast.parse(content)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
    return ast.dump(tree)
