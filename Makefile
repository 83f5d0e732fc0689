# Everything a developer runs. `make` alone lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO_SOURCE := examples/living-room.png
DEMO_RESULT := out/demo.png
DEMO_INSTRUCTION := make the sofa green

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.development ## Create .venv with Retouch, every extra and the development tools

.PHONY: demo
demo: $(VENV)/.runtime ## Set up what is needed, edit an example picture and say where the result lies
	@$(BIN)/retouch edit $(DEMO_SOURCE) "$(DEMO_INSTRUCTION)" -o $(DEMO_RESULT)
	@echo "Before: $(CURDIR)/$(DEMO_SOURCE)"
	@echo "After:  $(CURDIR)/$(DEMO_RESULT)"

PAGE := src/retouch/server/page/index.html
PAGE_SOURCES := $(shell find web/src web/public -type f 2>/dev/null) web/index.html web/vite.config.ts web/package.json web/tsconfig.json
# The page, for the tests that visit it; without Node they say what to do.
TESTED_PAGE := $(if $(shell command -v npm),$(PAGE))

.PHONY: test
test: $(VENV)/.development $(TESTED_PAGE) ## Run the tests on all cores, without the slow ones
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile

.PHONY: test-all
test-all: $(VENV)/.development $(TESTED_PAGE) ## Run all tests, the slow ones too
	@$(BIN)/python -m pytest

.PHONY: check
check: $(VENV)/.development ## Check style, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports --no-cache

.PHONY: format
format: $(VENV)/.development ## Bring all code into the house's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: bench
bench: $(VENV)/.development ## Measure: run every program in bench/
	@set -e; for program in bench/*.py; do echo "== $$program"; $(BIN)/python "$$program"; done

.PHONY: web
web: $(PAGE) ## Build the page that the server shows (needs Node 20.19 or newer)

.PHONY: web-check
web-check: web/node_modules/.installed ## Check the page's style and types and run its tests
	@cd web && npm run --silent check && npm run --silent test

web/node_modules/.installed: web/package-lock.json
	@command -v npm >/dev/null || { echo "Building the page needs Node 20.19 or newer with npm; install it and try again."; exit 1; }
	@echo "Installing what the page is made of ..."
	@cd web && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(PAGE): web/node_modules/.installed $(PAGE_SOURCES)
	@cd web && npm run --silent build -- --logLevel warn
	@touch $@

.PHONY: serve
serve: $(VENV)/.server $(PAGE) ## Set up what is needed and serve the page at the address it prints
	@$(BIN)/retouch serve

.PHONY: clean
clean: ## Remove the virtual environment, caches and demo results
	@rm -rf $(VENV) out web/node_modules src/retouch/server/page .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Retouch needs Python 3.11 or newer; say which with: make PYTHON=python3.12")'
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

# torch comes first and alone: it is the largest by far, and whatever build of the pinned version the
# index or pip's configuration offers (CPU or CUDA) is then kept by everything that depends on it.
$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Retouch (some minutes the first time) ..."
	@$(PIP) install -c constraints.txt torch
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.server: $(VENV)/.runtime
	@test -e $(VENV)/.development || { echo "Installing the server ..."; $(PIP) install -c constraints.txt -e '.[server]'; }
	@touch $@

$(VENV)/.development: $(VENV)/.runtime
	@echo "Installing the extras and the development tools ..."
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@
