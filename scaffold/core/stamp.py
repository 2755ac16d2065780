"""The ownership marks in files: write them, verify them.

A *generated* file starts with ``scaffold:generated from <origin> sha256=<of the body>`` in its own comment syntax. A
*stub* ends with ``scaffold:stub from <file>#<Service>.<Rpc> sha256=<of the body>``: it is ours while the stamp is
intact, and its user's from the first edit. Digests are over the text with newlines normalised, so that a checkout with
CRLF is intact.
"""

from __future__ import annotations

import hashlib
import re
from enum import Enum

_GENERATED = re.compile(
    r"\A(?P<open>#|<!--|//) scaffold:generated from (?P<origin>.*?) sha256=(?P<digest>[0-9a-f]{64})(?: -->)?\n"
)
_STUB = re.compile(r"^# scaffold:stub from (?P<origin>.*?) sha256=(?P<digest>[0-9a-f]{64})\n\Z", re.MULTILINE)

# Wherever it has got to: people write below it, and merge.
_STUB_LINE = re.compile(r"^# scaffold:stub from [^\n]*#(?P<rpc>[\w.]+) sha256=[0-9a-f]{64}$", re.MULTILINE)

_COMMENTS = {".md": ("<!--", " -->"), ".html": ("<!--", " -->"), ".js": ("//", "")}


class Mark(Enum):
    """What a file's stamp says."""

    INTACT = "intact"
    EDITED = "edited"
    NONE = "none"


def digest(body: str) -> str:
    """SHA-256 of the text, newlines normalised, as 64 hex digits."""
    return hashlib.sha256(_normal(body).encode()).hexdigest()


def generated(path: str, origin: str, body: str) -> str:
    """The body with the header of a generated file on top; comment syntax by the path's ending."""
    opening, closing = _COMMENTS.get(path[path.rfind(".") :], ("#", ""))
    return f"{opening} scaffold:generated from {_one_line(origin)} sha256={digest(body)}{closing}\n{body}"


def stub(origin: str, body: str) -> str:
    """The body with the stamp of a stub as its last line."""
    body = body.rstrip("\n") + "\n\n\n"  # two empty lines, where formatters want them
    return f"{body}# scaffold:stub from {_one_line(origin)} sha256={digest(body)}\n"


def read(text: str) -> Mark:
    """Whether the text carries a stamp, and whether that is intact."""
    text = _normal(text)
    if match := _GENERATED.match(text):
        return Mark.INTACT if digest(text[match.end() :]) == match["digest"] else Mark.EDITED
    if match := _STUB.search(text):
        return Mark.INTACT if digest(text[: match.start()]) == match["digest"] else Mark.EDITED
    return Mark.NONE


def of(content: bytes) -> Mark:
    """What the stamp of a file's bytes says; NONE for what is no text."""
    try:
        return read(content.decode())
    except UnicodeDecodeError:
        return Mark.NONE


def stub_of(content: bytes) -> str:
    """The RPC whose stub a file once was, as ``Service.Rpc``; empty where no stamp says so."""
    match = _STUB_LINE.search(_normal(content.decode(errors="replace")))
    return match["rpc"] if match else ""


def _normal(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


def _one_line(text: str) -> str:
    """An origin names files and RPCs, and those come from protos: nothing in it may end the comment."""
    return re.sub(r"[^\x20-\x7e]|-->", "?", text)
