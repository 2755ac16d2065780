"""Settings: where a value comes from, and what is said when it is not right."""

from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from runtime.common.tracing import Tracing
from runtime.service.problems import SettingsError
from runtime.service.settings import ServiceSettings
from runtime.store import Settings

URL = "postgresql+psycopg://app:s3cret@db/cart"


def load(dev: bool = True, **environ: str) -> Settings:
    return Settings.load("cart", dev=dev, environ=environ)


def problems(dev: bool = True, **environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(dev, **environ)
    return caught.value.problems


def test_defaults() -> None:
    settings = load()
    assert (settings.component, settings.program, settings.port) == ("cart", "python -m cart", 50051)
    assert (settings.grace_seconds, settings.log_level, settings.forward_headers) == (10.0, "INFO", ())


def test_values_come_from_the_environment() -> None:
    settings = load(
        PORT="8080",
        HOST="::1",
        MAX_WORKERS="3",
        GRACE_SECONDS="2.5",
        DEFAULT_TIMEOUT_SECONDS="7",
        LOG_LEVEL="debug",
        FORWARD_HEADERS="X-Tenant-Id, x-b",
        REQUIRE_HEADERS="x-tenant-id",
        DATABASE_URL=URL,
    )
    assert (settings.port, settings.max_workers, settings.grace_seconds) == (8080, 3, 2.5)
    assert (settings.default_timeout_seconds, settings.log_level) == (7.0, "DEBUG")
    assert (settings.forward_headers, settings.require_headers) == (("x-tenant-id", "x-b"), ("x-tenant-id",))
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == URL


def test_os_environ_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CART_PORT", "4711")
    assert Settings.load("cart", dev=True).port == 4711


def test_the_components_own_variable_wins() -> None:
    assert load(PORT="1", CART_PORT="2").port == 2
    assert load(PORT="1", ORDERS_PORT="2").port == 1
    assert Settings.load("my-cart", dev=True, environ={"MY_CART_PORT": "3"}).port == 3


def test_options_of_the_command_win_over_all() -> None:
    assert Settings.load("cart", dev=True, environ={"CART_PORT": "2"}, overrides={"port": "3"}).port == 3


def test_files_hold_values(tmp_path: Path) -> None:
    secret, other = tmp_path / "secret", tmp_path / "other"
    secret.write_text(f"{URL}\n")
    other.write_text("sqlite://\n")
    settings = load(DATABASE_URL_FILE=str(secret))
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == URL
    settings = load(DATABASE_URL=URL, CART_DATABASE_URL_FILE=str(other))
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "sqlite://"


def test_an_empty_variable_is_not_set() -> None:
    assert load(PORT="", CART_PORT="").port == 50051


def test_an_unreadable_file(tmp_path: Path) -> None:
    (problem,) = problems(DATABASE_URL_FILE=str(tmp_path / "none"))
    assert "DATABASE_URL_FILE" in problem
    assert str(tmp_path / "none") in problem
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (problem,) = problems(PORT_FILE=str(tmp_path / "binary"))
    assert "PORT_FILE" in problem


def test_a_variable_and_its_file_contradict_each_other(tmp_path: Path) -> None:
    (problem,) = problems(PORT="1", PORT_FILE=str(tmp_path / "port"))
    assert problem == "PORT and PORT_FILE are both set: unset one of them"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("MAX_WORKERS", "0"),
        ("GRACE_SECONDS", "-1"),
        ("DEFAULT_TIMEOUT_SECONDS", "0"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "CART_"])
def test_a_value_that_does_not_fit_names_variable_value_and_remedy(prefix: str, name: str, value: str) -> None:
    (problem,) = problems(True, **{prefix + name: value})
    assert problem.startswith(f"{prefix}{name}: ")
    assert repr(value.upper() if name == "LOG_LEVEL" else value) in problem
    assert "set it to" in problem


def test_an_option_that_does_not_fit_is_named_as_an_option() -> None:
    with pytest.raises(SettingsError, match=r"--port: 'x' does not fit"):
        Settings.load("cart", dev=True, environ={}, overrides={"port": "x"})


def test_all_problems_are_said_at_once() -> None:
    assert len(problems(PORT="x", MAX_WORKERS="y")) == 2
    assert len(problems(PORT="1", PORT_FILE="f", CART_HOST="1", CART_HOST_FILE="f")) == 2


def test_what_operators_may_not_set_is_not_read() -> None:
    settings = load(DEV="false", MIGRATE="true", COMPONENT="x", PROGRAM="y", CART_DEV="false")
    assert (settings.dev, settings.migrate, settings.component, settings.program) == (
        True,
        False,
        "cart",
        "python -m cart",
    )


def test_production_without_a_database_is_refused() -> None:
    (problem,) = problems(dev=False)
    assert "DATABASE_URL is not set" in problem
    assert "postgresql+psycopg://" in problem
    assert "--dev" in problem
    assert load(dev=False, DATABASE_URL="sqlite://").database().dialect == "sqlite"


def test_a_process_needs_no_database() -> None:
    assert ServiceSettings.load("checkout", environ={}).dev is False


def test_secrets_are_never_shown() -> None:
    settings = load(DATABASE_URL=URL, API_KEYS="k1,k2")
    for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "s3cret" not in shown
        assert "k1" not in shown


def test_a_secret_in_a_url_that_does_not_fit_is_not_shown() -> None:
    for url in ("s3cret", "mysql://app:s3cret@db/x"):
        with pytest.raises(SettingsError) as caught:
            load(DATABASE_URL=url).database()
        assert "DATABASE_URL" in str(caught.value)
        assert "s3cret" not in str(caught.value)


def test_a_driver_that_is_not_installed() -> None:
    with pytest.raises(SettingsError, match=r"pg8000.*not installed"):
        load(DATABASE_URL="postgresql+pg8000://app@db/x").database()


def test_variables_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("from-file\n")
    assert load(API_KEYS="a").secret("API_KEYS") == "a"
    assert load(API_KEYS="a", CART_API_KEYS="b").secret("API_KEYS") == "b"
    assert load(API_KEYS_FILE=str(tmp_path / "keys")).secret("API_KEYS") == "from-file"
    assert load().value("API_KEYS") is None
    with pytest.raises(SettingsError, match=r"API_KEYS is not set: .*API_KEYS_FILE"):
        load().secret("API_KEYS")


class Mine(Settings):
    """Settings with some of the user's."""

    api_key: SecretStr = Field(min_length=8, description="a key of 8 characters or more")


def test_settings_of_ones_own() -> None:
    assert Mine.load("cart", dev=True, environ={"API_KEY": "12345678"}).api_key.get_secret_value() == "12345678"
    with pytest.raises(SettingsError) as caught:
        Mine.load("cart", dev=True, environ={"CART_API_KEY": "s3cret", "DATABASE_URL": URL})
    assert str(caught.value) == "CART_API_KEY: its value does not fit: set it to a key of 8 characters or more"
    with pytest.raises(SettingsError) as caught:
        Mine.load("cart", dev=True, environ={"DATABASE_URL": URL})
    assert str(caught.value) == "API_KEY is not set: set it to a key of 8 characters or more"


def test_settings_made_by_hand_read_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("API_KEYS", "a")
    settings = Settings(component="cart")
    assert settings.port == 50051
    assert settings.value("API_KEYS") is None
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        settings.database()


def test_where_a_server_listens_and_is_reached() -> None:
    assert load().listen_on() == "127.0.0.1:50051"
    assert load(dev=False, DATABASE_URL=URL).listen_on() == "0.0.0.0:50051"
    assert load(HOST="::1").listen_on() == "[::1]:50051"
    assert load(HOST="::").reached_at(7) == "127.0.0.1:7"
    assert load(HOST="::1").reached_at(7) == "[::1]:7"
    assert load(dev=False, DATABASE_URL=URL).reached_at(7) == "127.0.0.1:7"


def test_the_database_of_development(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load()
    database = settings.database()
    assert settings.database() is database
    with database.transaction():
        pass
    assert (tmp_path / ".data" / "cart.db").exists()
    assert (tmp_path / ".data" / ".gitignore").read_text() == "*\n"
    settings.close()
    assert settings.database() is not database
    settings.close()


def test_tracing_is_off_until_a_server_attaches_one() -> None:
    settings, tracing = load(DATABASE_URL="sqlite://"), Tracing()
    assert settings.tracing.enabled is False
    settings.attach(tracing)
    assert settings.tracing is tracing
    assert settings.database().tracing is tracing
