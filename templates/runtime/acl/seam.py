"""Which implementation answers: the monolith or the service, per method, and per entity where both do.

Modes are read live: a change of ``seam.toml`` (or of the flags of an OpenFeature provider) counts within half a second,
without a restart, in forked workers too. A source that fails, or says what cannot be, changes nothing: the last mode that
was known holds, and without one the monolith answers. What has been routed is never tried on the other side: a write that
failed has failed, and where pins are kept, its second attempt goes where the first one went.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
import threading
import time
import weakref
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, Protocol

from . import forks, pins, transactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from .calls import Rpc, Table
    from .pins import Pinned

_log = logging.getLogger(__name__)

_POINTS = 10_000  # a percentage has two decimals
_PERCENT = re.compile(r"percent:(\d+(?:\.\d{1,2})?)\Z")

#: Names of the design that this version does not route: said apart from a misspelling.
_LATER = ("shadow_read", "dual_write")


class FlagsError(Exception):
    """The source of the modes cannot be read, or says what cannot be."""


@dataclass(frozen=True)
class Mode:
    """``monolith``, ``service``, or ``percent`` of the entities at the service."""

    name: str
    percent: float = 0.0

    def __str__(self) -> str:
        return f"percent:{self.percent:g}" if self.name == "percent" else self.name


MONOLITH = Mode("monolith")
SERVICE = Mode("service")


def mode(name: object, percent: object = None) -> Mode:
    """A mode from what somebody wrote. Raises :class:`FlagsError`."""
    if name in ("monolith", "service"):
        if percent is not None:
            raise FlagsError(f'mode "{name}" has no percent: take it out, or write mode = "percent"')
        return Mode(str(name))
    if name == "percent":
        if isinstance(percent, bool) or not isinstance(percent, (int, float)) or not 0 <= percent <= 100:
            raise FlagsError(f'mode "percent" needs percent = 0 to 100, not {percent!r}')
        return Mode("percent", float(percent))
    if name in _LATER:
        raise FlagsError(f'mode "{name}" is not routed by this version: monolith, percent or service')
    raise FlagsError(f"{name!r} is no mode: monolith, percent or service")


def parsed(text: object) -> Mode:
    """A mode from one flag's text: ``monolith``, ``percent:12.5``, ``service``. Raises :class:`FlagsError`."""
    match = _PERCENT.match(text) if isinstance(text, str) else None
    return mode("percent", float(match[1])) if match else mode(text)


class Flags(Protocol):
    """Where modes come from. Both raise :class:`FlagsError`, or anything: the last mode holds then."""

    def mode(self, rpc: Rpc) -> Mode:
        """The mode of an RPC, now."""


# --- seam.toml ------------------------------------------------------------------------------------------------------


def read_toml(text: str, table: Table) -> Mapping[str, Mode]:
    """The modes in a ``seam.toml``, by RPC. Raises :class:`FlagsError` with the first mistake."""
    toml = _toml()
    try:
        raw: dict[str, Any] = toml.loads(text)
    except toml.TOMLDecodeError as error:
        raise FlagsError(f"it is not TOML: {error}") from None
    unknown = set(raw) - {"mode", "percent", "methods"}
    if unknown:
        raise FlagsError(f'"{min(unknown)}" is no key of it: mode, percent, [methods.NAME]')
    default = mode(raw.get("mode", "monolith"), raw.get("percent"))
    methods = raw.get("methods", {})
    if not isinstance(methods, dict) or not all(isinstance(each, dict) for each in methods.values()):
        raise FlagsError("a method is a table: [methods.GetCart]")
    for name, each in methods.items():
        if name not in table:
            raise FlagsError(f"there is no RPC {name}; there are {', '.join(rpc.name for rpc in table.rpcs)}")
        if set(each) - {"mode", "percent"}:
            raise FlagsError(f"[methods.{name}] has mode and percent, and nothing else")
    found = {}
    for rpc in table.rpcs:
        own = methods.get(rpc.name)
        found[rpc.name] = mode(own.get("mode", default.name), own.get("percent")) if own else default
        routable(rpc, found[rpc.name])
    return found


def _toml() -> Any:
    try:
        import tomllib
    except ImportError:  # before Python 3.11
        import tomli

        return tomli
    return tomllib


def routable(rpc: Rpc, wanted: Mode) -> Mode:
    """The mode, if calls of that RPC can be routed by it. Raises :class:`FlagsError`."""
    if wanted.name == "percent" and not rpc.entity:
        raise FlagsError(
            f"{rpc.name} names no entity to be divided by: give it a mode of its own, [methods.{rpc.name}] "
            'mode = "monolith" or "service"'
        )
    return wanted


class SeamFile:
    """The modes in a ``seam.toml``, read again when the file has changed."""

    def __init__(self, path: str | Path, table: Table, *, seconds: float = 0.5) -> None:
        """``seconds`` is how long the file is not looked at again."""
        self.path = Path(path)
        self._table = table
        self._seconds = seconds
        self._look_again = 0.0
        self._seen: tuple[int, int, int] | None = None
        self._modes: Mapping[str, Mode] = {}
        self._lock = threading.Lock()
        forks.register(self)

    def after_fork(self) -> None:
        """Read it anew in the child: a thread that was at it is not there, and has left the lock held."""
        self._lock = threading.Lock()
        self._seen = None
        self._look_again = 0.0

    def mode(self, rpc: Rpc) -> Mode:
        """The mode of an RPC. Raises :class:`FlagsError` when no version of the file could be read yet."""
        forks.noticed()
        # One thread looks. The others go on with what is known, and wait only where nothing is known yet.
        lock = self._lock
        if time.monotonic() >= self._look_again and lock.acquire(blocking=not self._modes):
            try:
                if time.monotonic() >= self._look_again:
                    self._look()
            finally:
                lock.release()
        if not self._modes:
            raise FlagsError(f"{self.path} could not be read yet")
        return self._modes[rpc.name]

    def _look(self) -> None:
        """Read the file if it has changed; one that is broken is reported once, and the modes stay."""
        try:
            status = self.path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen != self._seen:
                self._seen = seen
                modes = read_toml(self.path.read_text(encoding="utf-8"), self._table)
                _report(self.path, self._modes, modes)
                self._modes = modes
        except (OSError, UnicodeDecodeError, FlagsError) as error:
            if not isinstance(error, OSError) or self._seen != (0, 0, 0):
                _log.error("%s: %s; the last modes hold", self.path, error)
            if isinstance(error, OSError):
                self._seen = (0, 0, 0)
        self._look_again = time.monotonic() + self._seconds


def _report(path: Path, before: Mapping[str, Mode], after: Mapping[str, Mode]) -> None:
    for name, wanted in after.items():
        if before and before[name] != wanted:
            _log.warning("%s: %s goes from %s to %s", path, name, before[name], wanted)


# --- OpenFeature ----------------------------------------------------------------------------------------------------


_LEAST_SECONDS = 0.05  # a thread that asks without a pause would do nothing else
_MOST_SECONDS = 30.0  # between two questions to a provider that fails
_HANGS_SECONDS = 30.0  # of silence, and another thread asks


class FlagClient(Protocol):
    """An OpenFeature client, as far as it is needed here: ``openfeature.api.get_client()``."""

    def get_string_details(self, flag_key: str, default_value: str) -> object:
        """A flag's ``value``, and an ``error_code`` where there is none."""


class OpenFeatureFlags:
    """The modes as flags of an OpenFeature provider of yours: text flags ``cart.GetCart`` and ``cart`` for the rest.

    The values are ``monolith``, ``percent:10`` and ``service``. Which entities are in the percentage is decided here, not by
    the provider: reads and writes have to agree.

    A thread asks for all of them, again and again from the first call on; calls read what it has found out, and a provider
    that is slow, hangs or fails costs them nothing. While it fails, the modes that were known last hold, and it is asked
    less and less often.
    """

    def __init__(self, client: FlagClient, table: Table, *, seconds: float = 0.5, patience: float = 2.0) -> None:
        """``seconds`` is how long nobody is asked after an answer, ``patience`` how long the first call waits for one."""
        self._client = client
        self._table = table
        self._seconds = max(seconds, _LEAST_SECONDS)
        self._patience = patience
        self._modes: dict[str, Mode] = {}
        self._failing: frozenset[str] = frozenset()
        self._fails = 0
        self._stuck = 0
        self._begin()
        forks.register(self)

    def _begin(self) -> None:
        """Nobody asks, and the next call is a first one."""
        self._lock = threading.Lock()
        self._asker: threading.Thread | None = None
        self._asked_at: float | None = None
        self._answered = threading.Event()
        self._wait_until = 0.0

    def after_fork(self) -> None:
        """The thread that asks is not there in the child; what it has found out is."""
        self._begin()

    def mode(self, rpc: Rpc) -> Mode:
        """The mode of an RPC. Raises :class:`FlagsError` while nothing is known of it."""
        forks.noticed()
        if self._asker is None or self._overdue():
            self._start()
        if not self._answered.is_set():
            self._answered.wait(max(0.0, self._wait_until - time.monotonic()))
        known = self._modes.get(rpc.name)
        if known is None:
            raise FlagsError("the provider of the flags has not said yet")
        return known

    def refresh(self) -> None:
        """Ask for all modes now, and wait for the answer. Raises nothing: what fails is logged, once until it is well again."""
        self._learn(*self._ask())

    def turn(self) -> float | None:
        """One round of the thread that asks: the seconds until the next one, None where another thread has taken over."""
        self._asked_at = time.monotonic()
        found, failing = self._ask()
        if threading.current_thread() is not self._asker:
            return None
        self._asked_at = None
        self._stuck = 0
        self._learn(found, failing)
        self._fails = 0 if found else self._fails + 1
        return min(math.ldexp(self._seconds, min(self._fails, 16)), max(self._seconds, _MOST_SECONDS))

    def _overdue(self) -> bool:
        """Whether the provider has been at it for so long that nobody counts on its answer any more."""
        asked_at = self._asked_at
        return asked_at is not None and time.monotonic() - asked_at > math.ldexp(_HANGS_SECONDS, self._stuck)

    def _start(self) -> None:
        """Have a thread ask; beside one that hangs, if there is one: each waits twice as long as the last, so they stay few."""
        with self._lock:
            if self._asker is None:
                self._wait_until = time.monotonic() + self._patience
            elif self._overdue():
                self._stuck += 1
                _log.error("the provider of the flags does not answer; the last modes hold, and it is asked once more")
            else:
                return  # another thread was first
            self._asked_at = None
            self._asker = asker = threading.Thread(
                target=_ask_for_ever, args=(weakref.ref(self),), name=f"{self._table.component}-flags", daemon=True
            )
            try:
                asker.start()
            except RuntimeError:  # no more threads here: the next call tries again
                self._asker = None
                raise

    def _ask(self) -> tuple[dict[str, Mode], dict[str, str]]:
        """The modes that the provider knows, and why others are not known."""
        found, failing = {}, {}
        for rpc in self._table.rpcs:
            own, rest = f"{self._table.component}.{rpc.name}", self._table.component
            try:
                text = self._flag(own) or self._flag(rest)
                if not text:
                    raise FlagsError(f'the provider knows neither "{own}" nor "{rest}"')
                found[rpc.name] = parsed(text)
            except Exception as error:  # the provider is anybody's code
                failing[rpc.name] = str(error) or type(error).__name__
        return found, failing

    def _learn(self, found: Mapping[str, Mode], failing: Mapping[str, str]) -> None:
        new = sorted(failing.keys() - self._failing)
        if new:
            _log.error("flags of %s: %s; the last modes hold", ", ".join(new), failing[new[0]])
        elif self._failing and not failing:
            _log.warning("flags of %s: they can be read again", ", ".join(sorted(self._failing)))
        self._failing = frozenset(failing)
        self._modes = {**self._modes, **found}
        self._answered.set()

    def _flag(self, key: str) -> str:
        """The text of a flag; empty where the provider does not have it."""
        details: Any = self._client.get_string_details(key, "")
        code = getattr(details, "error_code", None)
        if code is None:
            return str(details.value)
        if getattr(code, "value", code) == "FLAG_NOT_FOUND":
            return ""
        raise FlagsError(f"{key}: {getattr(code, 'value', code)} {getattr(details, 'error_message', '') or ''}".strip())


def _ask_for_ever(flags: weakref.ref[OpenFeatureFlags]) -> None:
    """Ask until nobody has the flags any more, or another thread has taken over."""
    while True:
        asked = flags()
        pause = asked.turn() if asked else None
        if pause is None:
            return
        del asked  # whoever forgets the flags is not to be kept from it
        time.sleep(pause)


# --- routing --------------------------------------------------------------------------------------------------------


class Router:
    """Says for each call who answers it."""

    def __init__(
        self,
        table: Table,
        flags: Flags,
        *,
        reachable: Callable[[], bool],
        salt: str = "",
        pinned: Pinned | None = None,
    ) -> None:
        """``reachable`` tells whether a service is there to route to at all: its address is known.

        ``pinned`` keeps which side had a write first, see ``pins.py``; without it a write that is repeated goes by the share.
        """
        self._table = table
        self._flags = flags
        self._reachable = reachable
        self._salt = (salt or table.component).encode()
        self._pinned = pinned
        self._last: dict[str, Mode] = {}
        self._failing: dict[str, str] = {}
        self._entities = {rpc.name: attrgetter(rpc.entity) for rpc in table.rpcs if rpc.entity}

    def mode(self, name: str) -> Mode:
        """The mode of an RPC: that of the flags, or the last one that was known, or ``monolith``."""
        rpc = self._table[name]
        try:
            found = routable(rpc, self._flags.mode(rpc))
            if found is not MONOLITH and found.name != "monolith" and not self._reachable():
                raise FlagsError(f"{name} is to go to the service, and nobody has said where that is")
        except Exception as error:  # the flags may be anybody's code, and say something else each time
            said = str(error) if isinstance(error, FlagsError) else type(error).__name__
            if self._failing.get(name) != said:
                self._failing[name] = said
                _log.error("mode of %s: %s; %s holds", name, error, self._last.get(name, MONOLITH))
            return self._last.get(name, MONOLITH)
        self._failing.pop(name, None)
        self._last[name] = found
        return found

    def to_service(self, name: str, request: object) -> bool:
        """Whether the service answers this call, which is about to be made. A request that names no entity is the monolith's.

        A write with a pin goes where it went first. Raises :class:`~.transactions.InTransactionError` in development, where
        the service would be called inside a transaction; :class:`~.pins.PinError`, and what the store of the pins raises.
        """
        goes = self._goes(name, request)
        if self._pinned is not None and (pin := self.pin(name, request)):
            goes = pins.kept(self._pinned, pin, goes)
        if goes:
            transactions.check(name)
        return goes

    def _goes(self, name: str, request: object) -> bool:
        found = self.mode(name)
        if found.name != "percent":
            return found.name == "service"
        if self._pinned is None:
            pins.warn(self._table.component, self._table[name], request)
        entity = self.entity(name, request)
        return entity != "" and point(self._salt, entity) < found.percent * _POINTS / 100

    def pin(self, name: str, request: object) -> str:
        """What a call is pinned by; empty where it goes by the share: nobody keeps pins, or it is no write with a key."""
        return "" if self._pinned is None else pins.pin(self._table.component, self._table[name], request)

    def entity(self, name: str, request: object) -> str:
        """What a call is about: the name in its request, or empty."""
        get = self._entities.get(name)
        try:
            return str(get(request) or "") if get else ""
        except AttributeError:  # a message on the way is not set
            return ""


def point(salt: bytes, entity: str) -> int:
    """Where an entity lies between 0 and 9999: the same for every method, process and run."""
    digest = hashlib.blake2b(entity.encode("utf-8", "surrogatepass"), digest_size=8, key=salt[:64]).digest()
    return int.from_bytes(digest, "big") % _POINTS
