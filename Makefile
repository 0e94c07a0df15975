# Two commands on a fresh machine: `make quickstart` and `make test`. They need Python 3.11 or newer and make.
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
DEVELOP := $(VENV)/installed-dev

.DELETE_ON_ERROR:
.PHONY: quickstart test lint types clean

quickstart: $(VENV)
	$(BIN)/softal-bench run suites/quickstart.yaml

test: $(DEVELOP) lint types
	$(BIN)/python -m pytest

lint: $(DEVELOP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEVELOP)
	$(BIN)/mypy

$(VENV): $(INSTALLED)

# The stamps are made anew only when pyproject.toml is newer, so a second `make` installs nothing.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "softal-bench needs Python 3.11 or newer; $(PYTHON) is %d.%d. Try: make PYTHON=python3.12" % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@ $(VENV)

$(DEVELOP): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(INSTALLED) $(VENV)

clean:
	rm -rf $(VENV) runs
