"""An API with everything that standard methods know, ``bookshop.v1``, and its repositories on a database in a file."""

from pathlib import Path
from types import SimpleNamespace

from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2
from runtime.common import messages
from runtime.common.errors import StatusError
from runtime.common.names import ResourceName
from runtime.store import Database, Repository

from scaffold.shell.protoc import compile_protos

_FILE = "bookshop.proto"


def _register() -> None:
    compiled = compile_protos((("protos", Path(__file__).parent),), [_FILE])
    (file,) = (f for f in descriptor_pb2.FileDescriptorSet.FromString(compiled).file if f.name == _FILE)
    installed = [f"{name.removesuffix('.proto')}_pb2".replace("/", ".") for name in file.dependency]
    messages.register([(_FILE, file.SerializeToString())], installed)


_register()

_NAMES = """
    Book Publisher Reader BatchCreateBooksRequest BatchCreateReadersRequest BatchDeleteBooksRequest BatchDeleteReadersRequest
    BatchGetBooksRequest
    CreateBookRequest CreatePublisherRequest CreateReaderRequest DeleteBookRequest DeletePublisherRequest
    DeleteReaderRequest ListBooksRequest ListReadersRequest UndeleteBookRequest UpdateBookRequest UpdateReaderRequest
""".split()

#: The messages, by their names.
api = SimpleNamespace(**{name: messages.message(f"bookshop.v1.{name}") for name in _NAMES})


class PublisherName(ResourceName):
    pattern = "publishers/{publisher}"


class BookName(ResourceName):
    pattern = "publishers/{publisher}/books/{book}"
    alternatives = ("authors/{author}/books/{book}",)


class Archive:
    """The repositories."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, migrate=True)
        self.books = Repository(self.database, api.Book, table="books")
        self.publishers = Repository(self.database, api.Publisher, table="publishers")
        self.readers = Repository(self.database, api.Reader, table="readers")


def violated(error: StatusError) -> list[str]:
    """The fields that an INVALID_ARGUMENT names."""
    (bad,) = [detail for detail in error.details if isinstance(detail, error_details_pb2.BadRequest)]
    return [violation.field for violation in bad.field_violations]
