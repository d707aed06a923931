# Two commands do everything on a fresh machine: `make run` shows it, `make test` proves it.
# `make help` lists the rest. Nothing is installed outside .venv, except Debian packages the tests
# need, and those only where they are missing and may be installed.

PYTHON ?= python3
PYTEST_ARGS ?= -n 2
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --constraint constraints.txt

.PHONY: help run test check bench live clean system

help:  ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: $(VENV)/.run-ready  ## set up once, then make the demo's pictures
	@$(BIN)/stablenew demo

test: $(VENV)/.test-ready system check  ## everything that is checked, as CI does it
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.test-ready  ## ruff, mypy and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.test-ready  ## the benchmarks: ratios within one run, see docs/benchmarks.md
	@set -e; for file in bench/bench_*.py; do echo "== $$file"; $(BIN)/python $$file; done

live: $(VENV)/.test-ready  ## the backend contract against a real server: make live URL=http://127.0.0.1:7860
	@test -n "$(URL)" || { echo "give the server: make live URL=http://127.0.0.1:7860"; exit 2; }
	STABLENEW_LIVE_URL="$(URL)" $(BIN)/python -m pytest tests/live

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# --- set-up -----------------------------------------------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "StableNew needs Python 3.11 or newer; name one: make run PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "no virtual environment could be made; on Debian and Ubuntu: apt install python3-venv"; exit 2; }

$(VENV)/.run-ready: pyproject.toml constraints.txt | $(BIN)/python
	@echo "setting up .venv (once; PyTorch is large)"
	$(INSTALL) --editable '.[local,gui]'
	@touch $@

$(VENV)/.test-ready: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[local,gui,dev]'
	@touch $@ $(VENV)/.run-ready

# What tests need beyond Python: a virtual screen and a browser.
system:
	@sh scripts/system-packages
