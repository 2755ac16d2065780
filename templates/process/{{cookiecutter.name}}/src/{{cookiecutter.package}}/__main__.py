"""`python -m {{ cookiecutter.package }}` serves; `--dev` with development's defaults, `--help` for the rest."""

import sys

from {{ cookiecutter.package }}.gen.main import main

sys.exit(main())
