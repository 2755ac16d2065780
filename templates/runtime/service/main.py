"""The program around a component: its command line, its signals, its exit code."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ..common import log
from ..common import tracing as tracing_setup
from .problems import StartError
from .rpc import load_handlers
from .settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..common.tracing import Tracing
    from .component import Component, Running

logger = logging.getLogger(__name__)

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
InterceptorT = TypeVar("InterceptorT")


@dataclass(frozen=True)
class Task(Generic[SettingsT]):
    """Something that the program does instead of serving, when it is given ``option``.

    ``run`` returns the line to print; it raises :class:`StartError` where it cannot be done.
    """

    option: str
    help: str
    run: Callable[[SettingsT], str]


class Start(Protocol[SettingsT, InterceptorT]):
    """The function of a kind of component that starts its server."""

    def __call__(self, component: Component[SettingsT, InterceptorT], settings: SettingsT, tracing: Tracing) -> Running:
        """Start serving, and return at once."""


def run(
    component: Component[SettingsT, InterceptorT],
    settings_type: type[SettingsT],
    start: Start[SettingsT, InterceptorT],
    argv: Sequence[str] | None = None,
    tasks: Sequence[Task[SettingsT]] = (),
) -> int:
    """The whole program: parse ``argv`` (by default the command line), serve until a signal, return the exit code.

    0: served and stopped by SIGTERM or SIGINT, or did what an option asked for. 1: handlers are missing.
    2: the command line, the settings or what they name (port, database) cannot be used; nothing was served.
    """
    options = _parser(component, tasks).parse_args(argv)
    try:
        if options.check:
            return _check(component)
        settings = settings_type.load(
            component.name, dev=options.dev, program=component.program, overrides=_overrides(options)
        )
        log.setup(component.name, settings.dev, settings.log_level)
        for task in tasks:
            if getattr(options, _destination(task)):
                print(task.run(settings), flush=True)
                return 0
        tracing = tracing_setup.setup(component.name, component.digest, settings.dev)
        return _serve(component, settings, start, tracing)
    except (StartError, tracing_setup.TracingError) as error:
        print(f"{component.name} does not start: {error}", file=sys.stderr, flush=True)
        return error.exit_code if isinstance(error, StartError) else StartError.exit_code


def _parser(component: Component[SettingsT, InterceptorT], tasks: Sequence[Task[SettingsT]]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=component.program,
        description=f"Serves {', '.join(service.full_name for service in component.services)}.",
        allow_abbrev=False,
    )
    parser.add_argument("--dev", action="store_true", help="development: reflection, readable logs, local defaults")
    parser.add_argument("--host", help="the address to listen on (variable HOST)")
    parser.add_argument("--port", help="the port to listen on, 0 for any that is free (variable PORT)")
    parser.add_argument("--check", action="store_true", help="load everything and look for missing handlers, then exit")
    for task in tasks:
        parser.add_argument(task.option, action="store_true", dest=_destination(task), help=task.help)
    return parser


def _destination(task: Task[SettingsT]) -> str:
    return task.option.lstrip("-").replace("-", "_")


def _overrides(options: argparse.Namespace) -> dict[str, str]:
    return {name: value for name in ("host", "port") if (value := getattr(options, name)) is not None}


def _check(component: Component[SettingsT, InterceptorT]) -> int:
    handlers = load_handlers(component.services)
    print(f"{component.name}: {sum(map(len, handlers.values()))} handlers, none is missing", flush=True)
    return 0


def _serve(
    component: Component[SettingsT, InterceptorT],
    settings: SettingsT,
    start: Start[SettingsT, InterceptorT],
    tracing: Tracing,
) -> int:
    # A queue that may be written to while its reader is interrupted, which is what a signal handler does.
    signals: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: signals.put(received))
    drained = True
    try:
        running = start(component, settings, tracing)
        names = ", ".join(service.full_name for service in component.services)
        host = settings.listen_on().rpartition(":")[0]
        print(f"{component.name} serves {names} on {host}:{running.port}", flush=True)
        received = signals.get()
        logger.info("stopping on %s", signal.Signals(received).name)
        # Who presses Ctrl-C twice does not want to wait. A second SIGTERM is ignored: supervisors send one as well.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        drained = _drain(running)
    finally:
        tracing.shutdown()
    if not drained:
        _leave_running_threads()
    return 0


def _drain(running: Running) -> bool:
    try:
        return running.stop()
    except KeyboardInterrupt:
        return running.stop(0)


def _leave_running_threads() -> None:
    """End the process although handlers have not returned: the interpreter would wait for their threads for ever."""
    logger.warning("calls that did not end in time are left behind")
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
