"""What is known of both sides of a mapping: the API's messages and the monolith's models. Plain values, no imports."""

from __future__ import annotations

from dataclasses import dataclass

#: What a column or a field holds. ``other`` is what no rule knows anything about.
KINDS = (
    "bool bytes date datetime decimal duration enum float int json message other relation text time timestamp uuid"
).split()


@dataclass(frozen=True)
class Field:
    """A field of a message: ``name`` in the proto, ``attribute`` in Python, ``kind`` one of :data:`KINDS`.

    ``values`` are the names of an enum's values, the unspecified one of number 0 first where there is one. ``message`` is
    the full name of the message that the field holds. ``place`` is where it is declared, ``shop/cart/v1/cart.proto:46``.
    """

    name: str
    attribute: str
    kind: str
    repeated: bool = False
    presence: bool = False
    oneof: str = ""
    values: tuple[str, ...] = ()
    unspecified: str = ""
    message: str = ""
    place: str = ""


@dataclass(frozen=True)
class Message:
    """A message of the API, by its full name. ``required``: callers get one, so something has to make it."""

    name: str
    fields: tuple[Field, ...]
    required: bool = False
    place: str = ""

    def field(self, attribute: str) -> Field | None:
        """The field that is called so in Python, or None."""
        return next((f for f in self.fields if f.attribute == attribute), None)


@dataclass(frozen=True)
class Column:
    """A field of a model. ``choices`` are the values that its declaration allows; ``aware``: datetimes have a zone.

    ``names`` are what the monolith calls the ``choices``, in their order; an empty one is a choice without a name.
    ``stored``: it is a column of the table, and has to be accounted for; properties and relations from elsewhere may be
    used and need not be. ``attribute`` is where the row has the value of a foreign key itself (``cart_id``), if elsewhere,
    ``model`` where it leads. ``low`` and ``high`` bound whole numbers, ``digits`` and ``places`` decimals, ``length`` text.
    """

    name: str
    kind: str
    null: bool = False
    choices: tuple[object, ...] = ()
    names: tuple[str, ...] = ()
    aware: bool = True
    stored: bool = True
    attribute: str = ""
    model: str = ""
    low: int | None = None
    high: int | None = None
    digits: int | None = None
    places: int | None = None
    length: int | None = None


@dataclass(frozen=True)
class Model:
    """A model of the monolith, by the name that introspection gives it (``carts.Line``)."""

    name: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column | None:
        """The column of that name, or of that attribute, or None."""
        return next((c for c in self.columns if name in (c.name, c.attribute or c.name)), None)
