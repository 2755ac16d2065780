"""A trace as text: a tree of who called whom, with a bar for when each of them was at work.

Pure functions of a trace. They take whatever spans there are: parents that are missing or form a circle, clocks that
disagree, names with control characters.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scaffold.run.spans import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scaffold.run.spans import Span, Trace

# https://github.com/grpc/grpc/blob/master/doc/statuscodes.md, by number
_GRPC_STATUS = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
    "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS "
    "UNAUTHENTICATED"
).split()
# OpenTelemetry is renaming it; older instrumentations write the number.
_GRPC_STATUS_ATTRIBUTES = ("rpc.response.status_code", "rpc.status_code", "rpc.grpc.status_code")
_HTTP_STATUS_ATTRIBUTES = ("http.response.status_code", "http.status_code")

_MIN_WIDTH = 60
_MIN_BAR = 10
_TIME = 8  # width of a column of milliseconds
_GAP = 2
_MAX_LEVELS = 64
_BLOCK = "█"
_ELLIPSIS = "…"
_COLOURS = {"error": "\x1b[31m", "vendor": "\x1b[33m", "sql": "\x1b[2m", "call": "\x1b[36m", "bold": "\x1b[1m"}
_PLAIN = "\x1b[0m"

Note = Literal["", "parent missing", "circle"]
Part = Literal["call", "vendor", "sql", "inner"]


@dataclass(frozen=True)
class Row:
    """One line of the tree: a span, or a CLIENT span together with the SERVER span that it caused.

    ``span`` is the caller's view where there are two: it includes the way there and back. ``stems`` says for each of
    the nearest levels above, and at the end for the row itself, whether a sibling follows (empty at a root).
    """

    span: Span
    server: Span | None
    stems: tuple[bool, ...]
    note: Note = ""

    @property
    def part(self) -> Part:
        """What it is: a call of a service, of a vendor, of a database, or something inside a service."""
        if self.span.sort == "sql":
            return "sql"
        if self.server is None and self.span.kind == "CLIENT" and self.span.sort == "http":
            return "vendor"
        return "call" if self.span.kind in ("CLIENT", "SERVER") else "inner"

    @property
    def who(self) -> str:
        """The service that did the work, as far as it is known."""
        if self.part == "sql":
            return "sql"
        if self.server is not None:
            return self.server.service
        if self.span.kind != "CLIENT":
            return self.span.service
        called = self.span.text("peer.service", "service.peer.name") or self.span.text("rpc.service").rpartition(".")[2]
        return called or self.span.text("server.address", "network.peer.address") or self.span.service

    @property
    def what(self) -> str:
        """The method's short name, the HTTP request, the statement, or else the span's name."""
        if self.part == "call" and self.span.sort == "rpc":
            return self.span.name.rpartition("/")[2] or self.span.name
        return self.span.name

    @property
    def status(self) -> str:
        """How it ended: a gRPC status, an HTTP status, an error's type, or nothing."""
        for span in (self.span, self.server):
            if span is None:
                continue
            if code := span.text(*_GRPC_STATUS_ATTRIBUTES):
                return _grpc_status(code)
            if found := span.text(*_HTTP_STATUS_ATTRIBUTES):
                return found
        if self.failed:
            return self.span.text("error.type") or "ERROR"
        return ""

    @property
    def failed(self) -> bool:
        """Whether one of its spans is marked as an error (NOT_FOUND is none to the server that says so)."""
        return self.span.status == "ERROR" or (self.server is not None and self.server.status == "ERROR")


def rows(trace: Trace) -> tuple[Row, ...]:
    """The trace as lines of a tree, depth first, siblings by start. Every span is in exactly one row."""
    return _Forest(trace.spans).rows()


class _Forest:
    """Spans by position, so that two spans with one id stay two."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = spans
        self.by_id: dict[str, int] = {}
        for index, span in enumerate(spans):
            self.by_id.setdefault(span.span_id, index)
        self.caller = self._callers()
        self.server = {client: server for server, client in self.caller.items()}
        self.children: dict[int, list[int]] = defaultdict(list)
        self.roots: list[int] = []
        for index in sorted(range(len(spans)), key=self._order):
            if index not in self.caller:
                parent = self._parent(index)
                (self.roots if parent is None else self.children[parent]).append(index)

    def rows(self) -> tuple[Row, ...]:
        found: list[Row] = []
        seen: set[int] = set()
        outside = self._outside()
        for root in self.roots:
            parent = self.spans[root].parent_id
            self._walk(root, "parent missing" if parent and parent != outside else "", seen, found)
        for index in sorted(range(len(self.spans)), key=self._order):
            if index not in self.caller and index not in seen:  # only circles are left; one is cut where it started
                self._walk(index, "circle", seen, found)
        return tuple(found)

    def _walk(self, root: int, note: Note, seen: set[int], found: list[Row]) -> None:
        """Depth first, with a stack of our own: a chain of spans may be longer than Python's."""
        stack: list[tuple[int, tuple[bool, ...]]] = [(root, ())]
        seen.add(root)
        while stack:
            index, stems = stack.pop()
            server = self.server.get(index)
            row = Row(
                self.spans[index], None if server is None else self.spans[server], stems, note if not stems else ""
            )
            found.append(row)
            below = [child for child in self.children[index] if child not in seen]
            seen.update(below)
            stack += [(child, (*stems, child != below[-1])[-_MAX_LEVELS:]) for child in reversed(below)]

    def _callers(self) -> dict[int, int]:
        """The caller of each SERVER span that is shown in its caller's row; one that tried twice keeps the first."""
        callers: dict[int, int] = {}
        taken: set[int] = set()
        for index in sorted(range(len(self.spans)), key=self._order):
            parent = self.by_id.get(self.spans[index].parent_id)
            if parent is None or parent in taken or self.spans[index].kind != "SERVER":
                continue
            if self.spans[parent].kind == "CLIENT" and self.spans[parent].sort != "sql":
                callers[index] = parent
                taken.add(parent)
        return callers

    def _parent(self, index: int) -> int | None:
        """The row above, or None at a root."""
        parent = self.by_id.get(self.spans[index].parent_id)
        return None if parent is None else self.caller.get(parent, parent)

    def _outside(self) -> str:
        """The id of a caller that is not traced: the missing parent of a first root that is a server's; or empty."""
        first = self.spans[self.roots[0]] if self.roots else None
        return first.parent_id if first is not None and first.kind in ("SERVER", "CONSUMER") else ""

    def _order(self, index: int) -> tuple[int, int]:
        return self.spans[index].start_ns, index


def render(trace: Trace, width: int = 100, colour: bool = False) -> str:
    """The trace as text, without a line end after the last line.

    Times are milliseconds: ``at`` counts from the start of the trace, ``ms`` is the duration. No line of the tree is
    longer than ``width`` characters (60 at least are taken). ``colour`` adds ANSI sequences.
    """
    table = rows(trace)
    layout = _Layout(trace, table, max(width, _MIN_WIDTH))
    lines = [_header(trace, table)]
    if table:
        lines.append(layout.heading())
        lines += [layout.line(row, colour) for row in table]
    return "\n".join([*lines, *_remarks(table)])


def _header(trace: Trace, table: Iterable[Row]) -> str:
    counts = [(len(trace.spans), "span"), (len(trace.services), "service"), (len(_vendors(table)), "vendor")]
    said = [f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts if count or noun != "vendor"]
    return f"trace {printable(trace.id)}   {', '.join(said)}"


def _vendors(table: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in table:
        if row.part == "vendor":
            found[row.who].append(row)
    return found


def _remarks(table: Iterable[Row]) -> list[str]:
    notes = [row.note for row in table]
    remarks = []
    if missing := notes.count("parent missing"):
        whose = "1 span has a parent that is" if missing == 1 else f"{missing} spans have parents that are"
        remarks.append(f"{whose} not in this trace: lost, or still on the way.")
    if notes.count("circle"):
        remarks.append("The parents of some spans form a circle: it is cut where it starts earliest.")
    return remarks


class _Layout:
    """Column widths. The bar gets what is left over; where that is too little, the names are cut."""

    def __init__(self, trace: Trace, table: Sequence[Row], width: int) -> None:
        self.start = trace.start_ns
        self.total = max(1, trace.end_ns - trace.start_ns)
        self.who = min(width // 4, max((len(printable(row.who)) for row in table), default=0))
        self.status = min(width // 4, max((len(_status(row)) for row in table), default=0))
        fixed = 2 * _TIME + 2 * _GAP + self.status
        longest = max((len(self._label(row, width)) for row in table), default=0)
        self.name = min(longest, width - fixed - _MIN_BAR)
        self.bar = width - fixed - self.name

    def heading(self) -> str:
        return f"{'':{self.name}}{'at':>{_TIME}}{'ms':>{_TIME}}"

    def line(self, row: Row, colour: bool) -> str:
        label, bar, status = self._label(row, self.name), self._bar(row), _cut(_status(row), self.status)
        after_label, after_bar = " " * (self.name - len(label)), " " * (self.bar - len(bar) + _GAP)
        at, took = _milliseconds(row.span.start_ns - self.start), _milliseconds(row.span.duration_ns)
        if colour:
            label = label if row.stems else _paint(label, "bold")
            bar = _paint(bar, "error" if row.failed else row.part)
            status = _paint(status, "error") if row.failed else status
        return f"{label}{after_label}{at:>{_TIME}}{took:>{_TIME}}{'':{_GAP}}{bar}{after_bar}{status}".rstrip()

    def _label(self, row: Row, width: int) -> str:
        stem = "".join("│  " if more else "   " for more in row.stems[:-1])
        stem += ("├─ " if row.stems[-1] else "└─ ") if row.stems else ""
        if len(stem) > width // 2:  # too deep to draw: the nearest levels have to do
            stem = _ELLIPSIS + stem[len(stem) - width // 2 + 1 :]
        who = _cut(printable(row.who), self.who)
        return _cut(f"{stem}{who:{self.who + _GAP}}{printable(row.what)}", width)

    def _bar(self, row: Row) -> str:
        """Blanks and blocks: at least one block; everything ends within the trace, and so within the column."""
        begin = row.span.start_ns - self.start
        left = min(begin * self.bar // self.total, self.bar - 1)
        right = round((begin + row.span.duration_ns) * self.bar / self.total)
        return " " * left + _BLOCK * max(1, right - left)


def _status(row: Row) -> str:
    return printable(f"{row.status} ({row.note})".lstrip() if row.note else row.status)


def _grpc_status(code: str) -> str:
    if code.isascii() and code.isdigit():
        number = int(code) if len(code) < 3 else len(_GRPC_STATUS)
        return _GRPC_STATUS[number] if number < len(_GRPC_STATUS) else f"status {code}"
    return code


def _milliseconds(nanoseconds: int) -> str:
    """With one decimal; in seven characters at most, however long it took."""
    value = nanoseconds / 1e6
    return f"{value:.1f}" if value < 99_999 else f"{value:.1e}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + _ELLIPSIS


def _paint(text: str, tint: str) -> str:
    blocks = text.lstrip(" ")
    sequence = _COLOURS.get(tint)
    return f"{text[: len(text) - len(blocks)]}{sequence}{blocks}{_PLAIN}" if sequence and blocks else text


@dataclass(frozen=True)
class Share:
    """How much of a trace somebody took: the number of calls, and the time during which at least one was under way."""

    name: str
    calls: int
    milliseconds: float
    share: float


@dataclass(frozen=True)
class Summary:
    """A trace in numbers. Shares are of the first root's duration, between 0 and 1: what overlaps counts once.

    ``waiting`` is the time in which any vendor was being waited for, ``databases`` the time in which any statement ran.
    """

    milliseconds: float
    spans: int
    services: tuple[str, ...]
    vendors: tuple[Share, ...]
    waiting: Share
    databases: Share


def summary(trace: Trace) -> Summary:
    """What took the time of the first root's: "56% of this order was spent waiting for the payment vendor"."""
    table = rows(trace)
    root = table[0].span if table else None
    vendors = _vendors(table)
    return Summary(
        milliseconds=root.duration_ns / 1e6 if root else 0.0,
        spans=len(trace.spans),
        services=trace.services,
        vendors=tuple(_share(name, calls, root) for name, calls in vendors.items()),
        waiting=_share("vendors", [row for row in table if row.part == "vendor"], root),
        databases=_share("sql", [row for row in table if row.part == "sql"], root),
    )


def _share(name: str, table: Sequence[Row], root: Span | None) -> Share:
    busy = _covered(table, root) if root else 0
    whole = root.duration_ns if root else 0
    return Share(name, len(table), busy / 1e6, busy / whole if whole else 0.0)


def _covered(table: Iterable[Row], root: Span) -> int:
    """Nanoseconds of the root's time in which at least one of the rows was under way."""
    covered, reached = 0, root.start_ns
    end = root.start_ns + root.duration_ns
    for span in sorted((row.span for row in table), key=lambda span: span.start_ns):
        begin, until = max(span.start_ns, reached), min(span.start_ns + span.duration_ns, end)
        if until > begin:
            covered += until - begin
            reached = until
    return covered
