"""What the suite is run against: a running server that is reached over gRPC, and perhaps lets its spans be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class TargetError(Exception):
    """The component did not start or cannot be reached: the message says why, in full."""


@dataclass(frozen=True)
class Span:
    """A finished span. Ids are hex, ``parent_id`` empty for a root; ``kind`` is SERVER, CLIENT or INTERNAL."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: str


class Target(Protocol):
    """A running component."""

    @property
    def address(self) -> str:
        """``HOST:PORT`` of its gRPC server."""

    def spans(self, trace_id: str) -> tuple[Span, ...]:
        """The finished spans of a trace so far, in this component; none where the launcher does not show spans."""


class Launcher(Protocol):
    """Gives targets by component's name: starts a component at most once, and stops everything at the end."""

    @property
    def label(self) -> str:
        """What the suite was run against: ``inprocess``, or HOST:PORT."""

    @property
    def asked(self) -> str:
        """What the user writes after ``--against`` to have it again; empty where that is nothing."""

    @property
    def salt(self) -> str:
        """What keeps made-up ids apart from those of earlier runs: empty where every run starts from nothing."""

    @property
    def shows_spans(self) -> bool:
        """Whether its targets show their spans; known before any is started."""

    def open(self, component: str) -> Target:
        """The running component. Raises TargetError."""

    def close(self) -> None:
        """Stop what was started."""
