# On a new machine, run `make quickstart`, `make cost` or `make test`. They need Python 3.11 or newer and make.
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
DEVELOP := $(VENV)/installed-dev
PEERS := .venv-peers/installed
PEERS_BIN := .venv-peers/bin
# Tests run in two processes. Benchmarks run on their own, because pytest-benchmark measures nothing in such a process.
APART := -n 2 --dist loadfile --ignore tests/benchmarks --ignore tests/endurance

.DELETE_ON_ERROR:
.PHONY: quickstart cost test test-all bench bench-check bench-baseline bench-prove test-peers test-pretend-cuda endurance compare lint types clean

# A clone contains the published records of this suite, which `run` counts as done. The first `make quickstart` therefore uses
# --fresh to recompute them. This creates the folder .fresh; if it exists, the command continues what the first one began.
# After an interruption, `make quickstart` continues where it stopped; once finished, it does nothing.
quickstart: $(VENV)
	$(BIN)/softal-bench run suites/quickstart.yaml $(if $(wildcard runs/quickstart/.fresh),,--fresh)

# Runs a part of the cost suite, and writes its page to runs/pages, so that the published page is kept. The whole suite takes about
# half an hour.
cost: $(VENV)
	$(BIN)/softal-bench run suites/acquisition_cost.yaml --leaderboard runs/pages --set measurement.max_seconds=0.2 \
	    --only posterior_samples=20 --only pool_size=[1000,10000] --only batch_size=[1,2,5,10] \
	    --only 'acquisition=[uniform, bald, softmax, power, softrank, "batchbald(M=1000)"]'

test: $(DEVELOP) lint types
	$(BIN)/python -m pytest $(APART) -m "not long"
	$(BIN)/python -m pytest tests/benchmarks

# Also runs the long tests, as CI does (thousands of damaged inputs, a hundred kills, a Ray cluster, every command of docs/).
test-all: $(DEVELOP) lint types
	$(BIN)/python -m pytest $(APART)
	$(BIN)/python -m pytest tests/benchmarks

# 500 trials in one run, 50 merges during runs, 800 kills and 100 000 damaged files. It takes about half an hour.
endurance: $(DEVELOP)
	SOFTAL_TEST_EFFORT=5 $(BIN)/python -m pytest --log-cli-level=INFO --durations=10 tests/endurance \
	    tests/run/test_random_deaths.py tests/run/test_fuzz_journal.py tests/suite/test_fuzz_suites.py

# The gate for speed compares ratios to controls with the baseline for this kind of CPU in tests/benchmarks/baseline.json.
bench: $(DEVELOP)
	$(BIN)/python -m pytest tests/benchmarks --gate=show

bench-check: $(DEVELOP)
	$(BIN)/python -m pytest tests/benchmarks --gate=require

bench-baseline: $(DEVELOP)
	$(BIN)/python -m softal_bench.conformance.timing tests/benchmarks

# Runs the gate twenty times, half of them next to a busy process, and once for each benchmark with a planted slow-down, which has
# to fail. It takes 20 minutes.
bench-prove: $(DEVELOP)
	$(BIN)/python tests/benchmarks/prove.py

# Tests that compare other libraries' acquisition functions with ours. `make test` does not need these libraries.
test-peers: $(DEVELOP) $(PEERS)
	$(PEERS_BIN)/python -m pytest plugins/softal-bench-peers/tests tests/suite/test_shipped_suites.py

# Runs the tests marked `cuda` on a pretend CUDA device (see tests/pretend_cuda/README.md), if it can be built.
test-pretend-cuda: $(DEVELOP)
	@if ! command -v g++ > /dev/null; then echo "skipped: g++ is not installed"; \
	elif ! $(BIN)/python -c "import sys, torch; sys.exit(torch.version.cuda is None)"; then echo "skipped: this torch is not a CUDA build"; \
	else PYTHON=$(BIN)/python tests/pretend_cuda/build.sh .pretend_cuda && \
	    tests/pretend_cuda/run .pretend_cuda $(BIN)/python -m pytest -p pretend_device_pytest -m cuda tests; fi

# Measures the speed of other implementations and ours, and compares their answers. It takes about an hour and a half, most of it
# for the other implementations. `make compare ONLY=prediction` runs a part; `.venv-peers/bin/python -m softal_bench_peers.compare
# --help` lists the parts.
compare: $(PEERS)
	$(PEERS_BIN)/python -m softal_bench_peers.compare $(if $(ONLY),--only '$(ONLY)')

lint: $(DEVELOP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEVELOP)
	$(BIN)/mypy

$(VENV): $(INSTALLED)

# The stamp files are renewed only if pyproject.toml is newer, so a second `make` installs nothing.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "softal-bench needs Python 3.11 or newer; $(PYTHON) is %d.%d. Try: make PYTHON=python3.12" % sys.version_info[:2])'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || \
	    { echo "cannot create $(VENV): Python's venv module is missing (on Debian: apt install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(DEVELOP): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

# Other libraries' acquisition functions are installed in an environment on top of .venv, so that both share one torch.
$(PEERS): plugins/softal-bench-peers/pyproject.toml plugins/softal-bench-peers/layer.txt $(INSTALLED)
	$(BIN)/python tests/installed/layer.py .venv-peers
	$(PEERS_BIN)/python -m pip install --quiet --no-deps --requirement plugins/softal-bench-peers/layer.txt \
	    --editable plugins/softal-bench-peers
	@touch $@

clean:
	rm -rf $(VENV) .venv-peers .pretend_cuda runs
