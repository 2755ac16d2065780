"""Messages made from tables, as a generator would make them: what `acl smell` has to find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaffold.core.api import Api, Field, File, Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaffold.acl.snapshot import Column, Model

FILE = "copy.proto"

_TYPES = {
    "int": "int64",
    "bool": "bool",
    "float": "double",
    "bytes": "bytes",
    "datetime": "message",
    "duration": "message",
}
_NAMES = {"datetime": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration"}


def copy(model: Model, columns: Sequence[Column] | None = None) -> Message:
    """A message with a field for each column, of the type that it has there."""
    columns = model.columns if columns is None else columns
    fields = [
        Field(c.name, number, _TYPES.get(c.type, "string"), _NAMES.get(c.type, ""))
        for number, c in enumerate(columns, start=1)
    ]
    return Message(f"copy.{model.class_name}", tuple(fields), file=FILE)


def api_of(message: Message) -> Api:
    """An API that is this message."""
    return Api((File(FILE, "copy"),), (), (message,), ())
