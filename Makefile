# Everything starts here; `make` alone lists the targets. PYTHON=python3.12 names another interpreter,
# ARGS="..." is handed on, for example: make run ARGS="--config my.toml", make test ARGS="-k ladder".

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet
INSTALL_LOCK := $(PIP) install --require-hashes -r
INSTALL_PROJECT := $(PIP) install --no-deps --no-build-isolation -e . && $(BIN)/python -m compileall -q engine tui
# More than the cores: many tests wait for sockets and processes.
WORKERS := 3
PYTEST := $(BIN)/python -m pytest

# A stamp says what is installed: it is made again when a lock or pyproject.toml is newer.
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint snapshots bench soak hunt clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile

run: $(RUN_STAMP) ## the terminal, with the engine embedded
	@exec $(BIN)/gridwright $(ARGS)

test: $(DEV_STAMP) ## every test and every rule: lint, format, types, import contracts, limits
	@$(PYTEST) -n $(WORKERS) $(ARGS)

lint: $(DEV_STAMP) ## the rules of the house alone
	@$(PYTEST) tests/house $(ARGS)

snapshots: $(DEV_STAMP) ## draw the screen snapshots anew; look at them before they are kept
	@$(PYTEST) tests/tui --snapshot-update $(ARGS)

bench: $(DEV_STAMP) ## speed, as ratios and rates
	@$(BIN)/python -m benchmarks $(ARGS)

soak: $(DEV_STAMP) ## ten minutes of load
	@$(PYTEST) -m soak -s $(ARGS)

hunt: $(DEV_STAMP) ## properties with 20,000 examples each, and the longest simulations
	@GRIDWRIGHT_HYPOTHESIS=hunt $(PYTEST) -m "hunt or hypothesis" -n 2 $(ARGS)

clean: ## away with the environment and with everything that tools have made
	rm -rf $(VENV) build dist *.egg-info snapshot_report.html
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find engine tui themes tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Gridwright needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing)." \
			"Name another one: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up $(VENV) once; this takes a minute." >&2
	@$(PYTHON) -m venv --clear $(VENV)

$(RUN_STAMP): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what Gridwright needs." >&2
	@$(INSTALL_LOCK) requirements.lock
	@$(INSTALL_PROJECT)
	@touch $@

$(DEV_STAMP): requirements-dev.lock requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what Gridwright and its tests need." >&2
	@$(INSTALL_LOCK) requirements-dev.lock
	@$(INSTALL_PROJECT)
	@touch $(RUN_STAMP) $@
