# `make demo` and `make test` do all the set-up, in .venv. All they need is Python 3.11 or newer (uv is used when it is there).
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
WORKERS ?= 2

# Python keeps its bytecode, whatever the caller's environment says: the tests start hundreds of processes, and each of them
# would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint types imports pytest monoliths bench format constraints clean

help:
	@echo "make demo    a sample shop in build/demo: generated, started, traced, tested"
	@echo "make test    everything that CI runs"
	@echo "make bench   the figures, as ratios against peers of the same run"
	@echo "make format  format the code"

demo: $(READY)
	@$(BIN)/scaffold demo build/demo
	@echo "Put the command on your path first:  . $(CURDIR)/.venv/bin/activate"

test: lint types imports pytest

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

pytest: $(READY) monoliths
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# What the tests' monoliths run on: older packages, in environments of their own (Python 3.9: PYTHON39, the path, pyenv).
monoliths: $(READY)
	@$(BIN)/python -m tests.monoliths.environments

bench: $(READY) .venv/.bench
	$(BIN)/python -m tests.bench

# What the generator is measured beside; nothing else needs it.
.venv/.bench: $(READY)
	@if command -v uv >/dev/null; then uv pip install --quiet --python .venv --constraint constraints.txt --group bench; \
	else $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --group bench; fi
	@touch .venv/.bench

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

$(READY): pyproject.toml constraints.txt
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --allow-existing --python "$(PYTHON)" .venv && \
	  uv pip install --quiet --python .venv --constraint constraints.txt --editable ".[all]" --group dev; \
	else \
	  "$(PYTHON)" -m venv .venv && \
	  $(BIN)/pip install --quiet --disable-pip-version-check "pip>=25.1" && \
	  $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[all]" --group dev; \
	fi
	@touch $(READY)

# The versions that the tests run with; `pip install apifirst-scaffold` itself takes any that fit pyproject.toml.
constraints:
	uv pip compile --quiet --no-header --no-annotate --universal --group dev --group bench --all-extras pyproject.toml --output-file constraints.txt
	cd tests/monoliths/requirements && for name in django flask flask20; do \
	  uv pip compile --quiet --no-header --no-annotate --python-version 3.9 $$name.in --output-file $$name.txt; done
	cd tests/monoliths/requirements && \
	  uv pip compile --quiet --no-header --no-annotate --python-version 3.11 oscar.in --output-file oscar.txt

clean:
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis
