"""Spans as the receiver keeps them, one JSON object a line, and the traces that they make up.

Everything here tolerates what is on disk: lines that are torn, strange or hostile are passed over, because the file is
written while it is read and outlives a power cut.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, cast

from scaffold.core.diagnostics import Diagnostic, ScaffoldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

FILE = Path(".scaffold/cache/spans.jsonl")

# Spans of these services are about the machinery; the runtime leaves them out, others' services may not.
_MACHINERY = ("grpc.health.", "grpc.reflection.")
_SHORTEST_PREFIX = 4
_SETTLED_SECONDS = 1.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Event:
    """Something that happened at a moment of a span, e.g. an exception. ``time_ns`` counts from the Unix epoch."""

    name: str
    time_ns: int
    attributes: Mapping[str, JSON] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """One span. Ids are lower-case hex, ``parent_id`` is empty at a root; times are nanoseconds since the Unix epoch.

    ``kind`` is ``SERVER``, ``CLIENT``, ``INTERNAL``, ``PRODUCER``, ``CONSUMER`` or ``UNSPECIFIED``; ``status`` is
    ``OK``, ``ERROR`` or ``UNSET``: OpenTelemetry's names without their prefixes.
    """

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str
    service: str
    start_ns: int
    end_ns: int
    status: str = "UNSET"
    attributes: Mapping[str, JSON] = field(default_factory=dict)
    events: tuple[Event, ...] = ()

    @property
    def duration_ns(self) -> int:
        """How long it took; 0 where a clock went backwards."""
        return max(0, self.end_ns - self.start_ns)

    @property
    def sort(self) -> str:
        """What kind of work it is, by its attributes: ``sql``, ``http``, ``rpc``, or empty for anything else."""
        if self.text("db.system.name", "db.system"):
            return "sql"
        if self.text("http.request.method", "http.method"):
            return "http"
        return "rpc" if any(name.startswith("rpc.") for name in self.attributes) else ""

    def text(self, *names: str) -> str:
        """The first of these attributes that is there and not empty, as text, else the empty string."""
        for name in names:
            value = self.attributes.get(name)
            if value is not None and value != "":
                return str(value)
        return ""


@dataclass(frozen=True)
class Trace:
    """The spans of one trace, by start; never none where ``group`` made it."""

    id: str
    spans: tuple[Span, ...]

    @property
    def start_ns(self) -> int:
        """The earliest start, in nanoseconds since the Unix epoch; 0 without spans."""
        return min((span.start_ns for span in self.spans), default=0)

    @property
    def end_ns(self) -> int:
        """The latest end, never before the start."""
        return max((span.start_ns + span.duration_ns for span in self.spans), default=0)

    @cached_property
    def tops(self) -> tuple[Span, ...]:
        """The spans without a parent here: they have none, or it is elsewhere, or it was lost."""
        present = {span.span_id for span in self.spans}
        return tuple(span for span in self.spans if span.parent_id not in present)

    @property
    def complete(self) -> bool:
        """Whether it hangs together: one top, or several that the same caller elsewhere has called.

        A trace of which spans are still under way looks the same as soon as its only top so far is a server's: who
        knows the caller's span id can tell (``wait_for``).
        """
        return len({top.parent_id for top in self.tops}) == 1

    @property
    def services(self) -> tuple[str, ...]:
        """The services that took part, in order of appearance."""
        return tuple(dict.fromkeys(span.service for span in self.spans))


def to_line(span: Span) -> str:
    """The span as one line of the file, without its line end. The opposite of ``from_line``."""
    return json.dumps(asdict(span), ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def from_line(line: str | bytes) -> Span | None:
    """The span that a line of the file holds, or None for a line that holds none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    texts = [found.get(name) for name in ("trace_id", "span_id", "parent_id", "name", "kind", "service", "status")]
    start, end, attributes = found.get("start_ns"), found.get("end_ns"), found.get("attributes")
    if not all(isinstance(text, str) for text in texts) or not isinstance(attributes, dict):
        return None
    if not _is_time(start) or not _is_time(end) or not texts[0] or not texts[1]:
        return None
    trace_id, span_id, parent_id, name, kind, service, status = cast("list[str]", texts)
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id,
        name=name,
        kind=kind,
        service=service,
        start_ns=start,
        end_ns=end,
        status=status,
        attributes=attributes,
        events=tuple(_events(found.get("events"))),
    )


def _is_time(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 2**64


def _events(found: object) -> Iterator[Event]:
    for event in found if isinstance(found, list) else ():
        if not isinstance(event, dict):
            continue
        name, moment, attributes = event.get("name"), event.get("time_ns"), event.get("attributes")
        if isinstance(name, str) and _is_time(moment) and isinstance(attributes, dict):
            yield Event(name, moment, attributes)


def rotated(path: Path) -> Path:
    """Where the receiver puts the older half of the spans when the file has grown too big."""
    return path.with_name(path.name + ".1")


def read(path: Path, trace_id: str = "") -> list[Span]:
    """The spans in the file and in its older half, oldest first; only those of ``trace_id``, if one is given."""
    wanted = trace_id.encode()
    found = []
    for part in (rotated(path), path):
        try:
            lines = part.read_bytes().splitlines()
        except FileNotFoundError:
            continue
        found += [span for line in lines if wanted in line and (span := from_line(line))]
    return [span for span in found if span.trace_id == trace_id] if trace_id else found


def group(spans: Iterable[Span]) -> list[Trace]:
    """Make traces of spans, the one that ended last at the end.

    A span that an exporter has sent twice counts once. Traces of nothing but health checks and reflection are left out.
    """
    by_trace: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_trace[span.trace_id].append(span)
    traces = [_trace(trace_id, members) for trace_id, members in by_trace.items()]
    traces = [trace for trace in traces if not all(span.name.startswith(_MACHINERY) for span in trace.spans)]
    return sorted(traces, key=lambda trace: (trace.end_ns, trace.id))


def _trace(trace_id: str, spans: Sequence[Span]) -> Trace:
    once: list[Span] = []
    seen: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        if span not in seen[span.span_id]:
            seen[span.span_id].append(span)
            once.append(span)
    return Trace(trace_id, tuple(sorted(once, key=lambda span: (span.start_ns, span.span_id))))


def last(traces: Sequence[Trace]) -> Trace | None:
    """The complete trace that ended last; where none is complete, the one that ended last; None where there is none."""
    latest = sorted(traces, key=lambda trace: (trace.complete, trace.end_ns, trace.id))
    return latest[-1] if latest else None


def find(traces: Iterable[Trace], wanted: str) -> Trace:
    """The trace with this id, or with an id that begins so.

    Raises ScaffoldError ``unknown-trace`` when there is none, ``ambiguous-trace`` when there are several.
    """
    traces = tuple(traces)
    prefix = wanted.strip().lower()
    exact = [trace for trace in traces if trace.id == prefix]
    found = exact or [trace for trace in traces if len(prefix) >= _SHORTEST_PREFIX and trace.id.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(trace.id for trace in found[:5])
        problem = Diagnostic(
            "ambiguous-trace",
            f'{len(found)} traces begin with "{printable(wanted)}"',
            remedy=f"give more digits: {ids}",
        )
    else:
        recent = (
            ", ".join(trace.id[:8] for trace in list(traces)[-5:]) or "none yet; `scaffold up`, then `scaffold call`"
        )
        problem = Diagnostic(
            "unknown-trace",
            f'no trace "{printable(wanted)}" among the {len(traces)} that were received',
            remedy=f"the last ones (at least {_SHORTEST_PREFIX} digits are needed): {recent}",
        )
    raise ScaffoldError(problem)


def wait_for(path: Path, trace_id: str, parent_id: str = "", timeout: float = 5.0) -> Trace | None:
    """Wait until a trace has arrived as a whole: services export on their own, so its parts come in any order.

    ``parent_id`` is the span id that the first caller sent (``CallResult.span_id``), empty where it sent none. The
    trace is whole when everything in it hangs below that and every call in it was answered by a span of the service
    called; where such an answer stays out (the service is not traced) a second without news is taken for the end.
    After ``timeout`` seconds what is there is returned, or None when nothing is.
    """
    deadline = time.monotonic() + timeout
    count, since = 0, time.monotonic()
    while True:
        spans = read(path, trace_id)
        now = time.monotonic()
        if len(spans) != count:
            count, since = len(spans), now
        trace = _trace(trace_id, spans) if spans else None
        if trace and trace.complete and trace.tops[0].parent_id == parent_id:
            answered = {span.parent_id for span in spans if span.kind == "SERVER"}
            calls = {span.span_id for span in spans if span.kind == "CLIENT" and span.sort == "rpc"}
            if calls <= answered or now - since >= _SETTLED_SECONDS:
                return trace
        if now >= deadline:
            return trace
        time.sleep(_POLL_SECONDS)


def printable(text: str) -> str:
    """Text from outside made safe for a terminal: what is not printable becomes an escape, as in a Python literal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
