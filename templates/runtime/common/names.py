"""Resource names (https://google.aip.dev/122): ``products/espresso-cup``, and the ids that they are made of."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, ClassVar, Pattern

from .errors import InvalidArgument

if TYPE_CHECKING:
    from typing_extensions import Self

_ID = "[A-Za-z0-9._~-]{1,63}"
_ID_RULE = "1 to 63 letters, digits, '.', '_', '~' or '-'"
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SHOWN = 100


class ResourceName:
    """The name of a resource. A subclass stands for one pattern: ``pattern = "users/{user}/orders/{order}"``.

    ``OrderName("ann", "7")`` and ``OrderName.parse("users/ann/orders/7")`` are equal, ``str()`` of both is the name,
    and their ``ids`` are ``("ann", "7")``. Every id is 1 to 63 letters, digits or any of ``. _ ~ -``.
    """

    pattern: ClassVar[str]
    #: The names of the pattern's variables, in order.
    variables: ClassVar[tuple[str, ...]]
    _expression: ClassVar[Pattern[str]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # re.split with a group gives text and variable in turn.
        parts = _VARIABLE.split(cls.pattern)
        if any(set("{}*") & set(text) for text in parts[::2]):
            raise TypeError(f'{cls.__qualname__}: "{cls.pattern}" is not made of text and {{variables}} only')
        cls.variables = tuple(parts[1::2])
        cls._expression = re.compile(
            "".join(f"({_ID})" if index % 2 else re.escape(part) for index, part in enumerate(parts))
        )

    def __init__(self, *ids: str) -> None:
        """Make the name from its ids, in the order of the pattern.

        Raises :class:`InvalidArgument` naming the variable whose id is malformed, ``TypeError`` for too few or too many.
        """
        if len(ids) != len(self.variables):
            raise TypeError(f"{type(self).__qualname__} takes {', '.join(self.variables)}; {len(ids)} ids given")
        for variable, value in zip(self.variables, ids):
            _check_id(value, variable)
        self.ids = ids
        filled = iter(ids)
        self._name = _VARIABLE.sub(lambda _: next(filled), self.pattern)

    @classmethod
    def parse(cls, name: str, *, field: str = "name") -> Self:
        """The resource name in ``name``, which came in the request's field ``field``.

        Raises :class:`InvalidArgument` naming the field when it does not fit the pattern.
        """
        match = cls._expression.fullmatch(name)
        if match is None:
            raise InvalidArgument(
                f"{_shown(name)} is not a name like {cls.pattern}, with ids of {_ID_RULE}", field=field
            )
        return cls(*match.groups())

    @classmethod
    def under(cls, parent: str, last: str, *, field: str = "parent") -> Self:
        """The name of the child ``last`` of a parent: ``BookName.under("shelves/1", "7")`` is ``shelves/1/books/7``.

        Raises :class:`InvalidArgument` naming the field that held the parent when it does not fit the pattern.
        """
        _check_id(last, cls.variables[-1])
        collection = cls.pattern.rpartition("/")[0].rpartition("/")[2]
        return cls.parse(f"{parent}/{collection}/{last}", field=field)

    @property
    def parent(self) -> str:
        """The name of the resource that this one belongs to; empty at the top. See :func:`parent_of`."""
        return parent_of(self._name)

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(map(repr, self.ids))})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and str(other) == self._name

    def __hash__(self) -> int:
        return hash(self._name)


def parent_of(name: str) -> str:
    """The name without its last collection and id: ``users/ann`` for ``users/ann/orders/7`` and ``users/ann/settings``.

    Collections and ids alternate; a name with an odd number of segments ends in a singleton (https://google.aip.dev/156).
    """
    segments = name.split("/")
    return "/".join(segments[: (len(segments) - 1) // 2 * 2])


def new_id(wanted: str = "", *, field: str = "id") -> str:
    """The id for a new resource: ``wanted`` by the caller (AIP-133), or a fresh one where that is empty.

    ``field`` is the request's field that ``wanted`` came in; a malformed one raises :class:`InvalidArgument` naming it.
    """
    if not wanted:
        return uuid.uuid4().hex
    _check_id(wanted, field)
    return wanted


def _check_id(value: str, field: str) -> None:
    if re.fullmatch(_ID, value) is None:
        raise InvalidArgument(f"{_shown(value)} is not an id: {_ID_RULE}", field=field)


def _shown(text: str) -> str:
    """The text in quotes, cut where it is too long to read."""
    return f'"{text}"' if len(text) <= _SHOWN else f'"{text[:_SHOWN]}…"'
