# nenghao (能耗): the everyday commands. Each one sets up what it needs in .venv and nothing outside
# the tree. A stamp file remembers what is installed; a change of the pins installs again.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export PIP_CACHE_DIR := $(CURDIR)/$(VENV)/.cache/pip
export UV_CACHE_DIR := $(CURDIR)/$(VENV)/.cache/uv

RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev
LOCK := $(VENV)/.installed-lock
NODE_EXAMPLE := examples/exchange-node
NODE := $(NODE_EXAMPLE)/node_modules/.installed

.DELETE_ON_ERROR:
.PHONY: demo test check bench bench-growth bench-device bench-exchange bench-console soak lock clean

# A province and twelve units on this machine, under ./demo; ends with Ctrl-C (ARGS="--units 3 --days 7").
demo: $(RUN)
	@$(BIN)/nenghao demo $(ARGS)

# All tests, side by side on up to four cores (PROCESSES=0: one after another, for a debugger);
# ARGS="tests/standard -k periods" for a part of them.
PROCESSES ?= $(shell n=$$(nproc 2>/dev/null || echo 2); echo $$((n < 4 ? n : 4)))
test: $(DEV) $(NODE)
	$(BIN)/python -m pytest -m "not soak" -n $(PROCESSES) --dist loadfile --durations=10 $(ARGS)

# What a change must pass besides the tests: style, types, who imports whom, documentation.
check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tests benchmarks
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/docs

# Rates, memory and bytes on disk of the whole path on this machine, beside other stores (five
# minutes; those that are not installed are skipped).
bench: $(RUN)
	$(BIN)/python -m benchmarks $(ARGS)

# Rates with ever more values stored (ARGS="--millions 100 500"; loading takes a while).
bench-growth: $(RUN)
	$(BIN)/python -m benchmarks.growth $(ARGS)

# Memory and time of a device with 500 items, polled over Modbus (three minutes).
bench-device: $(RUN)
	$(BIN)/python -m benchmarks.device $(ARGS)

# How long the six exchange interfaces take (ARGS="--units 300 --no-postgres"; filling takes a while).
bench-exchange: $(RUN)
	$(BIN)/python -m benchmarks.exchange $(ARGS)

# The console with 3,000 units and a year: time to paint, memory of open tabs (wants chromium;
# ARGS="--units 300"; filling takes a while).
bench-console: $(DEV)
	$(BIN)/python -m benchmarks.console $(ARGS)

# The long versions of the tests.
soak: $(DEV)
	$(BIN)/python -m pytest -m soak --timeout=3600 --durations=10 $(ARGS)

# Writes the pins anew from pyproject.toml: newest versions, valid from Python 3.11, every hash.
COMPILE = $(BIN)/uv --no-config pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock"
DEVICE = --extra device --extra page --extra sources --extra sm
PLATFORM = --extra platform --extra console
lock: $(LOCK)
	$(COMPILE) pyproject.toml $(PLATFORM) $(DEVICE) --extra dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml $(PLATFORM) $(DEVICE) -c requirements/dev.txt -o requirements/run.txt
	$(COMPILE) pyproject.toml $(DEVICE) -c requirements/dev.txt -o requirements/device.txt
	$(COMPILE) requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	$(COMPILE) requirements/lock.in -o requirements/lock.txt

clean:
	rm -rf $(VENV) $(NODE_EXAMPLE)/node_modules build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up ---------------------------------------------------------------------------------------

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "找不到 $(PYTHON)。请先安装：apt-get install python3 python3-venv make" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "需要 Python 3.11 或更高版本，当前是 $$("$(PYTHON)" --version 2>&1)。可用 make PYTHON=python3.12 … 指定。" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python 缺少 venv 模块。请先安装：apt-get install python3-venv make" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

INSTALL_SELF = $(PIP) install --quiet --no-deps --no-build-isolation --editable .

$(RUN): requirements/build.txt requirements/run.txt pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements/build.txt -r requirements/run.txt
	$(INSTALL_SELF)
	@touch $@

$(DEV): requirements/dev.txt $(RUN)
	$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

# The partner's example in Node and its independent SM4; its tests are skipped where there is no npm.
$(NODE): $(NODE_EXAMPLE)/package-lock.json
	@if command -v npm >/dev/null; then \
	  cd $(NODE_EXAMPLE) && npm ci --silent --no-audit --no-fund --ignore-scripts \
	    --cache $(CURDIR)/$(VENV)/.cache/npm && touch node_modules/.installed; \
	else echo "找不到 npm，跳过 Node 示例的测试。安装：apt-get install nodejs npm"; fi

$(LOCK): requirements/lock.txt | $(BIN)/python
	$(PIP) install --quiet --require-hashes -r requirements/lock.txt
	@touch $@
