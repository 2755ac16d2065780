"""The settings of a store: those of every component, and its database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PrivateAttr, SecretStr

from ..service.problems import SettingsError
from ..service.settings import ServiceSettings
from .database import WAIT_SECONDS, Database

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Where databases of development live, below the current directory.
DEVELOPMENT_FOLDER = Path(".data")


class Settings(ServiceSettings):
    """What a store is told by its environment. See :class:`ServiceSettings` for how it is read."""

    not_for_operators: ClassVar[frozenset[str]] = ServiceSettings.not_for_operators | {"migrate"}

    # Hidden in representations and logs: it may hold a password.
    database_url: SecretStr | None = Field(
        default=None, description="a database's URL, postgresql+psycopg://USER:PASSWORD@HOST/NAME or sqlite:////PATH"
    )
    max_waiting: int = Field(
        default=128, ge=0, le=65536, description="how many calls may wait for one of MAX_WORKERS, 0 to 65536"
    )
    max_streams: int = Field(default=64, ge=1, le=4096, description="how many streams are open at once, 1 to 4096")
    database_connections: int | None = Field(
        default=None, ge=1, le=1024, description="how many connections stay open, 1 to 1024; by default MAX_WORKERS"
    )
    database_overflow: int = Field(
        default=0, ge=0, le=1024, description="how many connections more may be open while all others are in use"
    )
    database_wait_seconds: float = Field(
        default=WAIT_SECONDS, gt=0, description="the seconds that a call waits for the database: a lock, a statement"
    )
    migrate: bool = Field(default=False, description="true where tables are brought up to date instead of reported")

    _database: Database | None = PrivateAttr(None)

    def missing(self) -> Iterator[str]:
        """In production the database must be named: data in a file that nobody chose would be lost."""
        if self.database_url is None and not self.dev:
            yield self._no_database()

    def database(self) -> Database:
        """The store's database; the same object every time, until :meth:`close`.

        In development that is ``.data/COMPONENT.db`` in the current directory unless ``DATABASE_URL`` says otherwise,
        and its tables are made, or brought up to date.

        Raises :class:`SettingsError` when there is no database to use.
        """
        if self._database is None:
            self._database = Database(
                self._url(),
                connections=self.database_connections or self.max_workers,
                overflow=self.database_overflow,
                wait_seconds=self.database_wait_seconds,
                durable=not self.dev,
                migrate=self.dev or self.migrate,
                program=self.program or f"python -m {self.component}",
                tracing=self.tracing,
            )
        return self._database

    def close(self) -> None:
        """Close the database's connections. Using it again opens new ones."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _url(self) -> str:
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        if not self.dev:
            raise SettingsError(self._no_database())
        DEVELOPMENT_FOLDER.mkdir(exist_ok=True)
        ignore = DEVELOPMENT_FOLDER / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        return f"sqlite:///{DEVELOPMENT_FOLDER.as_posix()}/{self.component}.db"

    def _no_database(self) -> str:
        description = type(self).model_fields["database_url"].description
        return (
            f"DATABASE_URL is not set: set it to {description}, or start with --dev to keep data in a file "
            f"under {DEVELOPMENT_FOLDER}/"
        )
