# On a fresh machine: `make quickstart`, `make cost` and `make test`. They need Python 3.11 or newer and make.
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
DEVELOP := $(VENV)/installed-dev
PEERS := .venv-peers/installed
PEERS_BIN := .venv-peers/bin
# Tests run in two processes. Benchmarks run on their own, because pytest-benchmark measures nothing in such a process.
APART := -n 2 --dist loadfile --ignore tests/benchmarks

.DELETE_ON_ERROR:
.PHONY: quickstart cost test test-all bench bench-check bench-baseline bench-prove test-peers test-pretend-cuda compare lint types clean

# A clone contains the published records of this suite, which `run` counts as done. The first `make quickstart` therefore uses
# --fresh to recompute them. This creates the folder .fresh; if it exists, the command continues what the first one began.
# After an interruption, `make quickstart` continues where it stopped; once finished, it does nothing.
quickstart: $(VENV)
	$(BIN)/softal-bench run suites/quickstart.yaml $(if $(wildcard runs/quickstart/.fresh),,--fresh)

# A slice of the cost suite, whose page goes beside the published one; the whole takes less than half an hour.
cost: $(VENV)
	$(BIN)/softal-bench run suites/acquisition_cost.yaml --leaderboard runs/pages --set measurement.max_seconds=0.2 \
	    --only posterior_samples=20 --only pool_size=[1000,10000] --only batch_size=[1,2,5,10] \
	    --only 'acquisition=[uniform, bald, softmax, power, softrank, "batchbald(M=1000)"]'

test: $(DEVELOP) lint types
	$(BIN)/python -m pytest $(APART) -m "not long"
	$(BIN)/python -m pytest tests/benchmarks

# What CI runs: the long tests too (thousands of damaged inputs, a hundred kills, a Ray cluster, every command of docs/).
test-all: $(DEVELOP) lint types
	$(BIN)/python -m pytest $(APART)
	$(BIN)/python -m pytest tests/benchmarks

# The gate for speed: ratios to controls, against the baseline for this kind of CPU in tests/benchmarks/baseline.json.
bench: $(DEVELOP)
	$(BIN)/python -m pytest tests/benchmarks --gate=show

bench-check: $(DEVELOP)
	$(BIN)/python -m pytest tests/benchmarks --gate=require

bench-baseline: $(DEVELOP)
	$(BIN)/python -m softal_bench.conformance.timing tests/benchmarks

# Twenty runs that have to pass, half of them beside a busy process, and one with a slow-down in each benchmark; 20 minutes.
bench-prove: $(DEVELOP)
	$(BIN)/python tests/benchmarks/prove.py

# Tests of other libraries' acquisition functions beside ours; `make test` needs none of these libraries.
test-peers: $(DEVELOP) $(PEERS)
	$(PEERS_BIN)/python -m pytest plugins/softal-bench-peers/tests tests/suite/test_shipped_suites.py

# The tests marked `cuda`, on a pretend CUDA device (see tests/pretend_cuda/README.md); skipped where it cannot be built.
test-pretend-cuda: $(DEVELOP)
	@if ! command -v g++ > /dev/null; then echo "skipped: g++ is not installed"; \
	elif ! $(BIN)/python -c "import sys, torch; sys.exit(torch.version.cuda is None)"; then echo "skipped: this torch is not a CUDA build"; \
	else PYTHON=$(BIN)/python tests/pretend_cuda/build.sh .pretend_cuda && \
	    tests/pretend_cuda/run .pretend_cuda $(BIN)/python -m pytest -p pretend_device_pytest -m cuda tests; fi

# Speed beside other implementations, with both answers compared; about an hour and a half, most of it the peers'.
# Parts of it: `make compare ONLY=prediction`; the works are listed by `.venv-peers/bin/python -m softal_bench_peers.compare --help`.
compare: $(PEERS)
	$(PEERS_BIN)/python -m softal_bench_peers.compare $(if $(ONLY),--only '$(ONLY)')

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

# Other libraries' acquisition functions, in a layer: an environment that sees .venv and adds to it, so that there is one torch.
$(PEERS): plugins/softal-bench-peers/pyproject.toml plugins/softal-bench-peers/layer.txt $(INSTALLED)
	$(BIN)/python tests/installed/layer.py .venv-peers
	$(PEERS_BIN)/python -m pip install --quiet --no-deps --requirement plugins/softal-bench-peers/layer.txt \
	    --editable plugins/softal-bench-peers
	@touch $@

clean:
	rm -rf $(VENV) .venv-peers .pretend_cuda runs
