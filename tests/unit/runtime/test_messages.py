"""The seam for messages: classes from descriptors, bytes in and out."""

import pytest
from google.protobuf import descriptor_pb2
from google.type import money_pb2
from runtime.common import messages

from .library import Book, NewerBook, StrictBook, file_with


def test_registering_twice_changes_nothing() -> None:
    file = ("twice.proto", file_with("twice.proto", "twice", "name"))
    messages.register([file])
    before = messages.message("twice.Book")
    messages.register([file])
    assert messages.message("twice.Book") is before


def test_another_version_of_a_file_is_refused_by_name() -> None:
    messages.register([("clash.proto", file_with("clash.proto", "clash", "name"))])
    with pytest.raises(messages.DescriptorError, match=r"clash\.proto.*one version"):
        messages.register([("clash.proto", file_with("clash.proto", "clash", "name", "title"))])


def test_a_missing_import_is_an_import_error() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="lonely.proto", dependency=["nowhere.proto"])
    with pytest.raises(ImportError, match=r"lonely\.proto"):
        messages.register([("lonely.proto", file.SerializeToString())])


def test_installed_modules_come_first_and_are_the_same_classes() -> None:
    file = descriptor_pb2.FileDescriptorProto(
        name="priced.proto", package="priced", dependency=["google/type/money.proto"]
    )
    field = file.message_type.add(name="Item").field.add(name="price", number=1, label=1, type=11)
    field.type_name = ".google.type.Money"
    messages.register([("priced.proto", file.SerializeToString())], installed=["google.type.money_pb2"])
    item = messages.message("priced.Item")(price=money_pb2.Money(units=3))
    assert messages.decode(type(item), messages.encode(item)) == item
    assert messages.message("google.type.Money") is money_pb2.Money


def test_nested_messages_and_enums() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="nested.proto", package="nested", syntax="proto3")
    outer = file.message_type.add(name="Outer")
    outer.nested_type.add(name="Inner")
    for container in (file, outer):
        colour = container.enum_type.add(name="Colour")
        prefix = "" if container is file else "INNER_"
        colour.value.add(name=f"{prefix}NONE", number=0)
        colour.value.add(name=f"{prefix}RED", number=1)
    messages.register([("nested.proto", file.SerializeToString())])
    assert messages.message("nested.Outer.Inner").DESCRIPTOR.full_name == "nested.Outer.Inner"
    assert messages.enum("nested.Colour").Value("RED") == 1
    assert messages.enum("nested.Outer.Colour").Name(1) == "INNER_RED"


def test_names_that_are_not_registered() -> None:
    with pytest.raises(KeyError, match=r"no\.Such"):
        messages.message("no.Such")
    with pytest.raises(KeyError, match=r"no\.Such"):
        messages.enum("no.Such")


def test_unknown_fields_survive() -> None:
    newer = NewerBook(name="books/1", title="t", author="somebody")
    older = messages.decode(Book, messages.encode(newer))
    assert messages.decode(NewerBook, messages.encode(older)) == newer


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05ab", b"\x0a\x01\xff"], ids=["tag", "truncated", "not UTF-8"])
def test_bytes_that_are_no_message(data: bytes) -> None:
    with pytest.raises(messages.MalformedMessageError, match=r"library\.v1\.Book"):
        messages.decode(Book, data)


def test_a_message_that_lacks_a_required_field() -> None:
    with pytest.raises(messages.MalformedMessageError, match=r"library\.strict\.Book"):
        messages.encode(StrictBook())


def test_a_field_may_be_called_like_a_method() -> None:
    messages.register([("odd.proto", file_with("odd.proto", "odd", "SerializeToString", "FromString", "DESCRIPTOR"))])
    odd = messages.message("odd.Book")
    value = odd(SerializeToString="one", FromString="two", DESCRIPTOR="three")
    assert messages.decode(odd, messages.encode(value)) == value


def test_equal_messages_give_equal_bytes() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="mapped.proto", package="mapped", syntax="proto3")
    message = file.message_type.add(name="M")
    message.field.add(name="m", number=1, label=3, type=11, type_name=".mapped.M.MEntry")
    entry = message.nested_type.add(name="MEntry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=1, type=9)
    entry.field.add(name="value", number=2, label=1, type=9)
    messages.register([("mapped.proto", file.SerializeToString())])
    cls = messages.message("mapped.M")
    keys = [str(n) for n in range(50)]
    assert messages.encode(cls(m={k: k for k in keys})) == messages.encode(cls(m={k: k for k in reversed(keys)}))
