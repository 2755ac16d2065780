"""`python -m {{ cookiecutter.package }} --port 50051`: the monolith serves the API, in a process of its own. Yours.

Import here what makes the monolith ready (its settings, its application factory). To try the layer without the monolith,
`--through` serves whatever {{ cookiecutter.environment }}_ADDRESS leads to, through the port.
"""

import argparse
import sys

from {{ cookiecutter.package }} import app
from {{ cookiecutter.package }}.errors import ERRORS
from {{ cookiecutter.package }}.gen.servicer import serve


def main() -> int:
    """Serve until told to stop; the process's exit code."""
    parser = argparse.ArgumentParser(prog="{{ cookiecutter.package }}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=50051, help="0 lets the system choose")
    parser.add_argument("--through", action="store_true", help="serve the service, through the port")
    options = parser.parse_args()
{% if cookiecutter.orm == "django" %}
    if not options.through:
        import django

        django.setup()  # DJANGO_SETTINGS_MODULE names the settings
{% endif %}
    if options.through:
        return serve(app.remote(), host=options.host, port_number=options.port)
    return serve(app.local(), host=options.host, port_number=options.port, hook=app.hook, errors=ERRORS)


if __name__ == "__main__":
    sys.exit(main())
