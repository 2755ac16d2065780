"""Ten skeletons by cookiecutter, in one process."""

import logging
import sys

from cookiecutter.main import cookiecutter


def main(template: str, folder: str, names: list[str]) -> None:
    """Make one skeleton for each name."""
    logging.disable()
    for name in names:
        cookiecutter(template, no_input=True, output_dir=folder, extra_context={"name": name})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
