"""`python -m {{ cookiecutter.package }} --port 50051`: the monolith serves the API, in a process of its own. Yours.

What makes the monolith ready (its settings, its application factory) comes first in `main`.
"""

import argparse
import sys


def main() -> int:
    """Serve until told to stop; the process's exit code."""
    parser = argparse.ArgumentParser(prog="{{ cookiecutter.package }}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=50051, help="0 lets the system choose")
    options = parser.parse_args()
{% if cookiecutter.orm == "django" %}

    import django

    django.setup()  # DJANGO_SETTINGS_MODULE names the settings
{% endif %}

    from {{ cookiecutter.package }} import app
    from {{ cookiecutter.package }}.errors import ERRORS
    from {{ cookiecutter.package }}.gen.servicer import serve

    return serve(app.local(), host=options.host, port_number=options.port, hook=app.hook, errors=ERRORS)


if __name__ == "__main__":
    sys.exit(main())
