# quantum-position-monitor. Needs nothing but python3 >= 3.11 (and a package index for the first install).
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
FREQTRADE := 2026.9
BACKTESTING := 0.6.6
EXPORT := uv export --quiet --format requirements.txt --no-emit-project --no-header --no-annotate

# Compiled modules are kept, whatever the environment says: the tests start this program a hundred times.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test check sim explore bench beside backtest lock venv install rollback uninstall

# The incident on this machine: 0/7 to 7/7. FOR=20 ends it by itself. With a config.toml here, the daemon on that.
run: $(STAMP)
	@if [ -f config.toml ]; then exec $(PY) -m position_monitor run --config config.toml; \
	else exec $(PY) -m position_monitor demo $(if $(FOR),--for $(FOR)); fi

# TESTS=tests/core picks a part; WORKERS=0 runs in one process. A test that hangs is ended and named, never waited for.
# Five workers on two cores: a third of the tests mostly waits for processes. An idle one takes over half of another's.
WORKERS ?= 5
TEST_TIMEOUT_S ?= 180
test: $(DEV_STAMP)
	@$(PY) -m pytest -o faulthandler_timeout=$(TEST_TIMEOUT_S) -o faulthandler_exit_on_timeout=true --durations=15 $(if $(filter-out 0,$(WORKERS)),-n $(WORKERS) --dist worksteal) $(TESTS)

check: $(DEV_STAMP)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -m pytest tests/test_layers.py tests/test_house.py

# The daemon's real service in simulated time. SEEDS=10000 runs many; SEED=123 repeats one with its trace. TOGETHER=1 SEEDS=903
# runs every pair of powers for a minute each.
SEEDS ?= 1000
sim: $(DEV_STAMP)
	@$(PY) -m tests.sim $(if $(TOGETHER),--together) $(if $(SEED),--seed $(SEED) --trace,--seeds $(SEEDS))

# Every fault at every step: short lives of the daemon, each lived again with every fault at every contact with the world,
# once and lasting, and with pairs of faults (PAIRS=0: without). LIFE=reduce picks lives, FAULT=answer_lost faults,
# SHARE=7/90 one share of all; RUN=reduce:17:answer_lost:once repeats one run with its trace.
explore: $(DEV_STAMP)
	@$(PY) -m tests.explore $(if $(RUN),--run $(RUN)) $(if $(LIFE),--lives $(LIFE)) $(if $(FAULT),--faults $(FAULT)) $(if $(SHARE),--share $(SHARE)) $(if $(filter 0,$(PAIRS)),--no-pairs)

# Other programs on the same account, each in its own venv: freqtrade, NautilusTrader. About eight minutes.
beside: $(DEV_STAMP)
	@BESIDE=1 $(PY) -m pytest -q -p no:cacheprovider tests/beside

# The figures of docs/performance.md, and bench.json; slow, exit code 1 when a bar is missed. QUICK=1 takes about four
# minutes, ROWS=fills,cold runs a part, DOCS=1 writes the table and the plot into docs/.
bench: $(DEV_STAMP)
	@$(PY) -m tests.bench --command "make bench$(if $(QUICK), QUICK=1)$(if $(ROWS), ROWS=$(ROWS))" $(if $(QUICK),--quick) $(if $(ROWS),--rows "$(ROWS)") $(if $(DOCS),--docs)

# On this host, or below DESTDIR for a package: releases with their own environment in PREFIX, units, /etc/quantum, a link
# in /usr/local/bin, man page, completion. Again is an upgrade; `make rollback` goes back to the release before. Nothing here
# starts a daemon or touches an order (docs/operations.md).
PREFIX ?= /opt/quantum/position-monitor
INSTALL_PYTHON := $(if $(filter file default undefined,$(origin PYTHON)),/usr/bin/python3,$(PYTHON))
install rollback uninstall:
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" PYTHON="$(INSTALL_PYTHON)" PACKAGES="$(PACKAGES)" deploy/install $@

# A policy on sample candles, which are made on the first run: a price without drift. POLICY=dynamic takes another one;
# docs/backtest.md says how to bring candles and entries of one's own.
POLICY ?= brain:TREND
SAMPLE := .backtest
backtest: $(STAMP)
	@test -f $(SAMPLE)/entries.csv || $(PY) -m position_monitor backtest --sample $(SAMPLE)
	@$(PY) -m position_monitor backtest --candles $(SAMPLE)/candles.csv --entries $(SAMPLE)/entries.csv --policy $(POLICY)

# Writes the requirements files anew from pyproject.toml: hashes, no addresses.
lock:
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH" >&2; exit 1; }
	$(EXPORT) --extra embedded --output-file requirements.txt
	$(EXPORT) --extra embedded --extra alerts --extra metrics --output-file requirements-extras.txt
	$(EXPORT) --extra dev --output-file requirements-dev.txt
	echo "freqtrade==$(FREQTRADE)" | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --output-file tests/bench/freqtrade/requirements.txt -
	echo "backtesting==$(BACKTESTING)" | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --output-file tests/bench/backtesting/requirements.txt -

# Who only looks gets what the program needs; the tools of the tests (Playwright alone is 165 MB) come with the first of
# `test check sim explore beside bench`.
venv: $(DEV_STAMP)
$(STAMP): requirements-extras.txt pyproject.toml
	$(call installed,requirements-extras.txt)
$(DEV_STAMP): requirements-dev.txt pyproject.toml
	$(call installed,requirements-dev.txt)
	@touch $(STAMP)

define installed
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, was " + sys.version)'
	@echo "installing the locked packages into $(VENV), once" >&2
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1)
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@
endef
