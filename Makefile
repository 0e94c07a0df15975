# On a fresh machine: `make quickstart`, `make cost` and `make test`. They need Python 3.11 or newer and make.
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
DEVELOP := $(VENV)/installed-dev

.DELETE_ON_ERROR:
.PHONY: quickstart cost test lint types clean

quickstart: $(VENV)
	$(BIN)/softal-bench run suites/quickstart.yaml

# A slice of the cost suite, whose page goes beside the published one; the whole takes less than half an hour.
cost: $(VENV)
	$(BIN)/softal-bench run suites/acquisition_cost.yaml --leaderboard runs/pages --set measurement.max_seconds=0.2 \
	    --only posterior_samples=20 --only pool_size=[1000,10000] --only batch_size=[1,2,5,10] \
	    --only 'acquisition=[uniform, bald, softmax, power, softrank, "batchbald(M=1000)"]'

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
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || \
	    { echo "making $(VENV) failed: Python's venv module is needed (on Debian: apt install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(DEVELOP): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) runs
