"""The monolith's exceptions and the API's errors, paired: a caller gets the same one whoever answers."""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Mapping, Sequence

from ..common.errors import StatusError

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)


class ErrorMapError(Exception):
    """The map of errors is incomplete or says two things; ``problems`` says where."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("errors.py: " + "; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Pair:
    """An exception of the monolith, and the error of the API that says the same.

    ``status`` is a class of ``runtime/common/errors.py``, ``reason`` why, for programs (AIP-193). ``message`` makes the
    text for the caller: an exception's own text may hold what is none of its business. ``back`` makes the exception of an
    error that the service answered with; by default it is called with the message.
    """

    exception: type[Exception]
    status: type[StatusError]
    reason: str
    message: Callable[[Exception], str] | None = None
    back: Callable[[StatusError], Exception] | None = None


class ErrorMap:
    """Pairs, checked: every exception of the families has a pair, can be made again, and can be told from the others.

    ``families`` are base classes: whatever inherits from one of them and is not paired, itself or by a base class that is,
    is missing. Raises :class:`ErrorMapError`. In use it raises nothing: what goes wrong while an error is on its way is
    logged, and the error goes on as it is.
    """

    def __init__(self, *pairs: Pair, families: Sequence[type[Exception]] = ()) -> None:
        self._pairs = pairs
        self._families = tuple(families)
        self._by_exception: Mapping[type[Exception], Pair] = {pair.exception: pair for pair in pairs}
        self._by_status = {(pair.status.code, pair.reason): pair for pair in pairs}
        if problems := self.problems():
            raise ErrorMapError(problems)

    def problems(self) -> list[str]:
        """What is missing or ambiguous by now: classes that were defined after this map count as well."""
        return [*self._ambiguous(), *self._unmakeable(), *self._missing()]

    def _ambiguous(self) -> Iterator[str]:
        seen: dict[object, Pair] = {}
        for pair in self._pairs:
            if not pair.reason.strip():
                yield f"{pair.exception.__name__} has no reason"
            key = (pair.status.code, pair.reason)
            if key in seen:
                names = f"{seen[key].exception.__name__} and {pair.exception.__name__}"
                yield f"{names} are both {pair.status.code.name} {pair.reason}: nobody could tell them apart again"
            seen[key] = pair
        if len(self._by_exception) < len(self._pairs):
            yield "an exception is paired twice"

    def _unmakeable(self) -> Iterator[str]:
        for pair in self._pairs:
            name = pair.exception.__name__
            if pair.message and not _takes_one(pair.message):
                yield f"message= of {name} is called with the exception, and does not take just that"
            if pair.back and not _takes_one(pair.back):
                yield f"back= of {name} is called with the API's error, and does not take just that"
            if not pair.back and not _takes_one(pair.exception):
                yield f"{name} is not made of a message alone: give its pair back=lambda error: {name}(…)"

    def _missing(self) -> Iterator[str]:
        for family in self._families:
            for exception in _below(family):
                if self._pair_of(exception) is None:
                    yield f"{exception.__module__}.{exception.__qualname__} has no pair"

    def _pair_of(self, exception: type[BaseException]) -> Pair | None:
        return next((self._by_exception[cls] for cls in exception.__mro__ if cls in self._by_exception), None)

    def outward(self, error: BaseException) -> BaseException:
        """The API's error for an exception of the monolith; any other is returned as it is."""
        pair = self._pair_of(type(error))
        if pair is None or isinstance(error, StatusError) or not isinstance(error, Exception):
            return error
        made = pair.status.__new__(pair.status)
        StatusError.__init__(made, _message(pair, error), reason=pair.reason)
        return made

    def inward(self, error: StatusError) -> Exception:
        """The monolith's exception for an error that a service answered with; one without a pair as it is."""
        pair = self._by_status.get((error.code, error.reason))
        if pair is None:
            return error
        try:
            made: object = pair.back(error) if pair.back else pair.exception(error.message)
        except Exception:  # another error in place of the one that happened would hide it
            _log.exception("errors.py: %s cannot be made of %s", pair.exception.__name__, error)
            return error
        if not isinstance(made, Exception):
            _log.error("errors.py: back= of %s makes no exception of %s", pair.exception.__name__, error)
            return error
        return made


def _message(pair: Pair, error: Exception) -> str:
    """The text for the caller; where the pair's function makes none, that of a pair without one."""
    if pair.message:
        try:
            made: object = pair.message(error)
            if isinstance(made, str):
                return made
            _log.error("errors.py: message= of %s makes no text", pair.exception.__name__)
        except Exception:  # the caller is to get the error that happened
            _log.exception("errors.py: message= of %s fails", pair.exception.__name__)
    return pair.reason.lower().replace("_", " ")


def _takes_one(function: Callable[..., object]) -> bool:
    """Whether it can be called with one argument, as far as it says."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some that are written in C do not say
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _below(family: type[Exception]) -> Iterator[type[Exception]]:
    for cls in family.__subclasses__():
        yield cls
        yield from _below(cls)


#: For an ACL whose monolith raises the API's own errors only.
NO_EXCEPTIONS = ErrorMap()
