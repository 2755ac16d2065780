"""Logs: one JSON object a line on standard error, joined to traces by ids; readable lines in development."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone

from . import headers, tracing

__all__ = ["setup"]

# httpx writes every request's whole address, query and all, at INFO: an address may hold a vendor's secrets.
_TALKATIVE = ("httpx", "httpcore")

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def setup(service: str, dev: bool, level: str) -> None:
    """Send this process's logs to standard error, in the one form that this service uses.

    ``level`` is a name that :mod:`logging` knows (``INFO``), in any case; ``ValueError`` otherwise. Calling it again
    replaces what the last call installed; handlers of others (a test's) stay.
    """
    root = logging.getLogger()
    root.setLevel(level.upper())
    for handler in [known for known in root.handlers if isinstance(known, _StandardErrorHandler)]:
        root.removeHandler(handler)
    handler = _StandardErrorHandler()
    handler.setFormatter(_Readable() if dev else _JsonLines(service))
    root.addHandler(handler)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class _StandardErrorHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic to type checkers only
    """Writes to what ``sys.stderr`` is when a line is written; known by its class to :func:`setup`."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)


class _JsonLines(logging.Formatter):
    """A record as one line of JSON. Whatever a record holds, it stays on its line: a newline is escaped."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        trace_id, span_id = tracing.current_ids()
        line = {
            "time": _time(record).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "service": self._service,
            "trace_id": trace_id,
            "span_id": span_id,
            headers.REQUEST_ID: headers.request_id(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        extra = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        return json.dumps({**extra, **{key: value for key, value in line.items() if value}}, default=str)


class _Readable(logging.Formatter):
    """A record for people at a terminal; the ids are shortened to what an eye can match."""

    def format(self, record: logging.LogRecord) -> str:
        trace_id, _ = tracing.current_ids()
        ids = "".join(
            f"  {name}={value[:8]}" for name, value in (("trace", trace_id), ("request", headers.request_id())) if value
        )
        time = _time(record).astimezone().strftime("%H:%M:%S.%f")[:-3]
        line = f"{time} {record.levelname:<7} {record.name}: {record.getMessage()}{ids}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        if record.stack_info:
            line += "\n" + self.formatStack(record.stack_info)
        return line


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, timezone.utc)
