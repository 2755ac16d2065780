"""How the layer is put together. Yours: the place for hooks, headers, credentials and flags.

The monolith calls `{{ cookiecutter.name }}()`, which is the port whoever answers; async code makes an `AsyncSeam` in the same way.
"""

import os
from functools import cache
from pathlib import Path

from {{ cookiecutter.package }}.errors import ERRORS
from {{ cookiecutter.package }}.gen.port import {{ cookiecutter.port }}
from {{ cookiecutter.package }}.gen.remote import Remote
{% if cookiecutter.orm == "django" %}
from {{ cookiecutter.package }}.gen.runtime.acl.hooks import django_request
{% else %}
from {{ cookiecutter.package }}.gen.runtime.acl.hooks import no_hook
{% endif %}
from {{ cookiecutter.package }}.gen.seam import Seam

# What is around each RPC that the monolith serves: a tenant, the current user, a language. See gen/runtime/acl/hooks.py.
{% if cookiecutter.orm == "django" %}
hook = django_request
{% else %}
hook = no_hook  # scoped_session(your_session) gives each RPC a session, and closes it
{% endif %}

# Who answers, per method; another file where {{ cookiecutter.environment }}_SEAM names one.
SEAM = Path(os.environ.get("{{ cookiecutter.environment }}_SEAM") or Path(__file__).with_name("seam.toml"))


def local() -> {{ cookiecutter.port }}:
    """The monolith's side. Imported here and not above: its models are there only when it is ready."""
    from {{ cookiecutter.package }}.local import Local

    return Local()


def remote() -> Remote:
    """The service's side; nothing is called before {{ cookiecutter.environment }}_ADDRESS (HOST:PORT) is set and the seam says so."""
    return Remote(os.environ.get("{{ cookiecutter.environment }}_ADDRESS", ""), errors=ERRORS)


@cache
def {{ cookiecutter.name }}() -> Seam:
    """What the monolith calls. Writes that are tried again while the share moves take `pinned=`: gen/runtime/acl/pins.py."""
    return Seam(local(), remote(), SEAM)
