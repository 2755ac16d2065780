"""What a component is, and what it is once it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .rpc import Rules, Service
    from .settings import ServiceSettings

SettingsT = TypeVar("SettingsT", bound="ServiceSettings")
InterceptorT = TypeVar("InterceptorT")


@dataclass(frozen=True)
class Component(Generic[SettingsT, InterceptorT]):
    """A store or a process, ready to be started.

    ``name`` is the component's own, ``package`` the one it is imported by; ``digest`` identifies its API.
    ``build`` makes the app that handlers find in their call, ``interceptors`` what stands around them, outermost first.
    ``forward_headers`` and ``require_headers`` are those that matter to every component of the workspace; the settings of
    the same name add to them. ``rules`` are the constraints of the API, where it has any.
    """

    name: str
    kind: Literal["store", "process"]
    package: str
    digest: str
    build: Callable[[SettingsT], object]
    interceptors: Callable[[SettingsT], Sequence[InterceptorT]]
    services: tuple[Service, ...]
    forward_headers: tuple[str, ...] = ()
    require_headers: tuple[str, ...] = ()
    rules: Rules | None = None

    @property
    def program(self) -> str:
        """The command that starts the component."""
        return f"python -m {self.package}"


class Running(Protocol):
    """A component that serves."""

    @property
    def address(self) -> str:
        """Where a client on this machine reaches it, ``HOST:PORT``."""

    @property
    def port(self) -> int:
        """The port; the system's choice where the settings said 0."""

    def stop(self, grace: float | None = None) -> bool:
        """Report NOT_SERVING, take no new calls, and return when the running ones have ended.

        They get ``grace`` seconds, by default those of the settings; then they are cancelled. Returns whether all ended:
        a handler that does not watch for that may be running still. Stopping again changes nothing.
        """

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is stopped, at most ``timeout`` seconds; returns whether it is."""
