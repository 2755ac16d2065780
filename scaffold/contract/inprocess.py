"""Components started in this interpreter: throwaway databases, loopback, spans kept in memory.

A store is started by its own ``gen.main.start``, on a port that the system chooses. A process too, over the stores that
it uses and stand-ins of its vendors; they are the workspace's real ones, started the same way. What a component would
read from the environment is handed to it, so that nothing of the developer's shell (a database, a collector) is touched
by a test.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from scaffold.contract.targets import Span, TargetError
from scaffold.core import naming
from scaffold.core.diagnostics import ScaffoldError
from scaffold.shell.services import HOST, Launch, ServiceProcess, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.sdk.trace import ReadableSpan

    from scaffold.contract.plan import Component, Plan, Vendor

_GRACE_SECONDS = 2.0
_STANDIN_SECONDS = 10.0

# Variables that name what belongs to the developer, as they are or after a component's prefix.
_NOT_FOR_TESTS = ("DATABASE_URL", "PORT", "HOST", "CREATE_TABLES")
_NOBODY = f"http://{HOST}:1"  # port 1 (tcpmux) is closed everywhere


class _Running(Protocol):
    @property
    def address(self) -> str: ...

    def stop(self, grace: float | None = None) -> bool: ...


@dataclass(frozen=True)
class _Started:
    """A component that serves, as a target."""

    running: _Running
    tracing: Any
    exporter: InMemorySpanExporter

    @property
    def address(self) -> str:
        return self.running.address

    def spans(self, trace_id: str) -> tuple[Span, ...]:
        self.tracing.flush()
        return tuple(s for s in map(_span, self.exporter.get_finished_spans()) if s.trace_id == trace_id)


class InProcess:
    """The launcher behind ``--contract-against inprocess``."""

    label = "inprocess"
    asked = ""
    salt = ""
    shows_spans = True

    def __init__(self, plan: Plan, workspace: Path) -> None:
        self._plan = plan
        self._workspace = workspace
        self._started: dict[str, _Started] = {}
        self._standins: list[ServiceProcess] = []
        self._folder: Path | None = None
        self._path = list(sys.path)

    def open(self, component: str) -> _Started:
        """The running component; started with what it uses on first use. Raises TargetError."""
        if component not in self._started:
            self._started[component] = self._start(component)
        return self._started[component]

    def close(self) -> None:
        """Stop everything, in the opposite order, and remove the databases."""
        for started in reversed(self._started.values()):
            started.running.stop(_GRACE_SECONDS)
            started.tracing.shutdown()
        self._started.clear()
        for standin in self._standins:
            standin.stop(_GRACE_SECONDS)
        self._standins.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        sys.path[:] = self._path

    def _start(self, name: str) -> _Started:
        component = self._plan.components.get(name)
        if component is None:
            raise TargetError(
                f"{name} is needed, and not in the plan: `scaffold test` makes one of the whole workspace"
            )
        environ = self._environ(name, component)
        src = str(self._workspace / component.src)
        if src not in sys.path:
            sys.path.insert(0, src)
        try:
            with _without_telemetry_settings():
                return _serve(name, component, environ)
        except (Exception, SystemExit) as error:
            raise TargetError(f"{name} does not start.\n\n{_explain(error)}") from error

    def _environ(self, name: str, component: Component) -> dict[str, str]:
        """The environment that a component reads its settings from: no spelling of ours is left to the developer's."""
        own = {"HOST": HOST, "PORT": "0", "DATABASE_URL": f"sqlite:///{self._databases() / name}.db"}
        for used in component.uses:
            # What is not in the plan is external: the environment says where it is.
            if used in self._plan.components:
                own[f"{naming.environment(used)}_ADDRESS"] = self.open(used).address
        for vendor_name, vendor in component.vendors.items():
            own |= self._vendor(vendor_name, vendor)
        hidden = {spelling for variable in own for spelling in naming.spellings(name, variable)}
        inherited = {k: v for k, v in os.environ.items() if k not in hidden and not _is_the_developers(k)}
        return {**inherited, **component.environ, **own}

    def _databases(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="scaffold-contract-"))
        return self._folder

    def _vendor(self, name: str, vendor: Vendor) -> Mapping[str, str]:
        """Start a vendor's stand-in; what the process's environment says about it then."""
        url = _NOBODY
        if vendor.command:
            port = free_port()
            environ = {**os.environ, **vendor.environ, "PORT": str(port)}
            try:
                standin = ServiceProcess(Launch(name, vendor.command, self._workspace, environ, port, health="tcp"))
                self._standins.append(standin)
                standin.wait_healthy(_STANDIN_SECONDS)
            except ScaffoldError as error:
                raise TargetError(f"the stand-in of the vendor {name} does not start.\n\n{error}") from error
            url = f"http://{HOST}:{port}"
        variables = dict.fromkeys((f"{naming.environment(name)}_URL", *vendor.env))
        return {variable: url if variable.endswith("_URL") else "contract-suite" for variable in variables}


def _serve(name: str, component: Component, environ: Mapping[str, str]) -> _Started:
    """Import the component and start it. What it raises is its own."""
    package = component.package
    main = importlib.import_module(f"{package}.gen.main")
    runtime = importlib.import_module(f"{package}.gen.runtime")
    tracing_setup = importlib.import_module(f"{package}.gen.runtime.common.tracing")
    exporter = InMemorySpanExporter()
    settings = runtime.Settings.load(name, dev=True, environ=environ)
    tracing = tracing_setup.setup(name, main.COMPONENT.digest, dev=True, span_exporter=exporter)
    return _Started(cast("_Running", main.start(settings, tracing)), tracing, exporter)


def _is_the_developers(variable: str) -> bool:
    plain = variable.removesuffix("_FILE")
    return any(plain == name or plain.endswith(f"_{name}") for name in _NOT_FOR_TESTS)


@contextmanager
def _without_telemetry_settings() -> Iterator[None]:
    """OpenTelemetry reads ``os.environ`` itself: the sampler of a developer would decide about the tests."""
    taken = {key: os.environ.pop(key) for key in list(os.environ) if key.startswith("OTEL_")}
    try:
        yield
    finally:
        os.environ.update(taken)


def _span(span: ReadableSpan) -> Span:
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    return Span(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id=f"{parent.span_id:016x}" if parent else "",
        name=span.name,
        kind=span.kind.name,
    )


def _explain(error: BaseException) -> str:
    """Why a component did not start: its runtime's own words where it has some, else where its code failed."""
    if any(cls.__name__ == "StartError" for cls in type(error).__mro__):
        return str(error)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(("<frozen", __file__))]
    lines = [*traceback.format_list(frames), *traceback.format_exception_only(error)]
    return "".join(lines).strip()
