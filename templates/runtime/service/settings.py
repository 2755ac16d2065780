"""What a service is told by its environment.

Every setting is an environment variable, ``PORT`` for ``port``. The component's name before it wins, so that several
components can share one environment: ``CART_PORT`` over ``PORT``. The variable with ``_FILE`` after it names a file
that holds the value, which is how secrets are mounted: ``DATABASE_URL_FILE=/run/secrets/database``.

Development mode is no variable: only the command line (``--dev``) or a test turns it on.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from ..common.tracing import Tracing
from .problems import SettingsError, StartError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

_EVERY_INTERFACE = "0.0.0.0"
_THIS_MACHINE = "127.0.0.1"


class Environment:
    """A component's view of the environment: the rules of this module's docstring for one variable at a time."""

    def __init__(self, component: str, environ: Mapping[str, str]) -> None:
        self._prefix = re.sub(r"\W", "_", component).upper() + "_"
        self._environ = environ

    def find(self, name: str) -> tuple[str, str] | None:
        """The variable that holds ``name``, and its value; None when it is not set, or empty.

        Raises :class:`SettingsError` when both a variable and its ``_FILE`` are set, or the file cannot be read.
        """
        for variable in (self._prefix + name, name):
            value, file = self._environ.get(variable), self._environ.get(f"{variable}_FILE")
            if value and file:
                raise SettingsError(f"{variable} and {variable}_FILE are both set: unset one of them")
            if value:
                return variable, value
            if file:
                return f"{variable}_FILE", _read(f"{variable}_FILE", file)
        return None


class _EnvironmentSource(PydanticBaseSettingsSource):
    """Fills the settings' fields from an :class:`Environment`, and remembers which variable each came from."""

    def __init__(self, settings_cls: type[ServiceSettings], environment: Environment) -> None:
        super().__init__(settings_cls)
        self._environment = environment
        self._not_for_operators = settings_cls.not_for_operators
        self.variables: dict[str, str] = {}
        self.problems: list[str] = []

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[str | None, str, bool]:
        """The value for a field as text, the field's name, and whether the value is JSON (never)."""
        try:
            found = self._environment.find(field_name.upper())
        except SettingsError as error:
            self.problems += error.problems
            return None, field_name, False
        if found is None:
            return None, field_name, False
        self.variables[field_name], value = found
        return value, field_name, False

    def __call__(self) -> dict[str, object]:
        """All values that the environment holds, by field."""
        fields = {
            name: field for name, field in self.settings_cls.model_fields.items() if name not in self._not_for_operators
        }
        values = {name: self.get_field_value(field, name)[0] for name, field in fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def _split(value: object) -> object:
    """``"X-A, x-b"`` as ``("x-a", "x-b")``."""
    if isinstance(value, str):
        return tuple(part.strip().lower() for part in value.split(",") if part.strip())
    return value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class ServiceSettings(BaseSettings):
    """Settings that every component has; stores and processes add theirs.

    Made by :meth:`load`. Made by hand, as tests do (``Settings(component="cart")``), they read no environment.
    The description of a field says what its variable can be set to.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    not_for_operators: ClassVar[frozenset[str]] = frozenset({"component", "program", "dev"})

    component: str = Field(description="the component's name")
    program: str = Field(default="", description="the command that starts the component, for messages")
    dev: bool = Field(
        default=False, description="true where this is development: reflection, readable logs, a database file"
    )
    host: str = Field(
        default="", description="an address to listen on; by default every interface, with --dev this machine's"
    )
    port: int = Field(default=50051, ge=0, le=65535, description="a port to listen on; 0 lets the system choose")
    max_workers: int = Field(default=16, ge=1, le=1024, description="how many calls are worked on at once, 1 to 1024")
    max_message_bytes: int = Field(
        default=4 * 1024 * 1024, ge=1024, le=2**31 - 1, description="the bytes of the largest message to take or send"
    )
    grace_seconds: float = Field(
        default=10.0, ge=0, description="the seconds that calls get to end in when the service stops"
    )
    default_timeout_seconds: float = Field(
        default=10.0, gt=0, description="the seconds for a call to another component where the caller set no deadline"
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = Field(
        default="INFO", description="DEBUG, INFO, WARNING or ERROR"
    )
    forward_headers: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        default=(), description="headers to pass on besides the tracing ones, separated by commas"
    )
    require_headers: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(
        default=(), description="headers without which a call is refused, separated by commas"
    )

    _environment: Environment = PrivateAttr(default_factory=lambda: Environment("", {}))
    _tracing: Tracing = PrivateAttr(default_factory=Tracing)

    @classmethod
    def load(
        cls,
        component: str,
        *,
        dev: bool = False,
        environ: Mapping[str, str] | None = None,
        program: str = "",
        overrides: Mapping[str, str] | None = None,
    ) -> Self:
        """The settings of ``component`` from the environment.

        ``environ`` stands in for ``os.environ``. ``program`` is the command that starts the component, by default
        ``python -m`` and its name. ``overrides`` are options of that command; they win, by field.

        Raises :class:`SettingsError` naming everything that is missing or wrong, with the remedy.
        """
        environment = Environment(component, os.environ if environ is None else environ)
        source = _EnvironmentSource(cls, environment)
        options = overrides or {}
        given = {"component": component, "program": program or f"python -m {component}", "dev": dev}
        values = {**source(), **options, **given}
        if source.problems:
            raise SettingsError(*source.problems)
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            origins = {**source.variables, **{field: f"--{field}" for field in options}}
            raise SettingsError(*cls._explain(error, origins)) from None
        settings._environment = environment
        missing = tuple(settings.missing())
        if missing:
            raise SettingsError(*missing)
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in: :meth:`load` reads the environment, by the rules of this module."""
        return (init_settings,)

    def with_headers(self, forward: tuple[str, ...], require: tuple[str, ...]) -> Self:
        """These settings with headers of the workspace's added to forward, and to require."""
        if not forward and not require:
            return self
        return self.model_copy(
            update={
                "forward_headers": tuple(dict.fromkeys((*forward, *self.forward_headers))),
                "require_headers": tuple(dict.fromkeys((*require, *self.require_headers))),
            }
        )

    def missing(self) -> Iterator[str]:
        """What this component cannot be started without and was not told, with the remedy. For subclasses."""
        yield from ()

    def listen_on(self) -> str:
        """Where the server listens, ``HOST:PORT``. In production that is every interface: a container has no other."""
        host = self.host or (_THIS_MACHINE if self.dev else _EVERY_INTERFACE)
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def reached_at(self, port: int) -> str:
        """Where clients on this machine reach the server that listens on ``port``, ``HOST:PORT``."""
        host = self.listen_on().rpartition(":")[0]
        return f"{_THIS_MACHINE if host in (_EVERY_INTERFACE, '[::]') else host}:{port}"

    def cannot_listen(self) -> StartError:
        """The error for a port that cannot be had."""
        return StartError(
            f"cannot listen on {self.listen_on()}: it is in use, or no address of this machine; "
            "set PORT or HOST to another (options --port, --host)"
        )

    def value(self, name: str) -> str | None:
        """A variable of your own, or None when it is not set; prefix and ``_FILE`` work as for the others.

        Raises :class:`SettingsError` when its file cannot be read.
        """
        found = self._environment.find(name)
        return found[1] if found else None

    def secret(self, name: str) -> str:
        """A variable of your own that must be set: ``settings.secret("API_KEYS")``.

        Raises :class:`SettingsError` when it is not.
        """
        value = self.value(name)
        if value is None:
            raise SettingsError(f"{name} is not set: set it, or {name}_FILE to the path of a file that holds it")
        return value

    @property
    def tracing(self) -> Tracing:
        """The tracing of the service that these settings start; off until then."""
        return self._tracing

    def attach(self, tracing: Tracing) -> None:
        """Called by the server before it builds the app, so that what the app is made of makes spans."""
        self._tracing = tracing

    @classmethod
    def _explain(cls, error: ValidationError, origins: Mapping[str, str]) -> Iterator[str]:
        for problem in error.errors(include_url=False):
            name = str(problem["loc"][0])
            field = cls.model_fields.get(name)
            if field is None:
                yield f"{name} is no setting of {cls.__qualname__}"
                continue
            variable = origins.get(name, name.upper())
            if problem["type"] == "missing":
                yield f"{variable} is not set: set it to {field.description}"
                continue
            # A secret that does not fit must not end up in a log either.
            shown = "its value" if SecretStr in _types(field) else repr(problem["input"])
            yield f"{variable}: {shown} does not fit: set it to {field.description}"


def _types(field: FieldInfo) -> tuple[object, ...]:
    """The members of a field's type, where it is a union."""
    return getattr(field.annotation, "__args__", (field.annotation,))


def _read(variable: str, file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError(f"{variable}: cannot read {file} ({reason}): name a readable file, or unset it") from None
