"""What the port does, on the monolith's own code. Yours."""

from {{ cookiecutter.package }}.gen.port import {{ cookiecutter.port }}
from {{ cookiecutter.package }}.local import Local


def test_it_is_the_port() -> None:
    """Replace this by what the monolith has to do; its own test settings give the database."""
    names = [name for name in vars({{ cookiecutter.port }}) if not name.startswith("_")]
    assert [name for name in names if not callable(getattr(Local, name, None))] == []
