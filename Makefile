# Everything a user or a developer does from a clean clone; `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
GROUPS := --all-extras --group test --group lint --group docs --group build

# What the other targets call: `eic`, `jupyter`, `pytest` of this environment and of no other.
export PATH := $(CURDIR)/$(BIN):$(PATH)
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

.PHONY: help install hooks test demo lint format pictures docs benchmark fuzz test-pythons mutants lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

install: $(STAMP) ## build .venv from requirements.lock, and nothing else

$(STAMP): requirements.lock pyproject.toml scripts/install.sh
	PYTHON='$(PYTHON)' scripts/install.sh $(VENV)
	@touch $@

hooks: install ## keep outputs of notebooks out of your commits
	scripts/hooks.sh $(VENV)

test: install ## install what the tests need and run all of them
	scripts/system-packages.sh
	scripts/test.sh

demo: install ## simulate a night, receive it over TCP, run it, serve it (SERVE=no: stop after the reports)
	$(if $(EIC_HOME),EIC_HOME='$(EIC_HOME)') SERVE='$(SERVE)' DURATION='$(DURATION)' scripts/demo.sh

lint: install ## the checks of `make test` that need no test
	scripts/lint.sh

format: install ## put the code into the project's format
	ruff check --fix-only --quiet .
	ruff format .
	nbstripout --keep-id notebooks/*/*.ipynb dashboards/*.ipynb

pictures: install ## make the pictures of the documentation anew (needs Chromium)
	python scripts/pictures.py

docs: install ## build the documentation into docs/_build/html; a warning is an error
	sphinx-build --fail-on-warning --keep-going --jobs auto docs docs/_build/html
	@echo "docs/_build/html/index.html"

benchmark: install ## measure speed and memory beside the peers, write docs/benchmarks.md
	python benchmarks/run.py

fuzz: install ## ten minutes of fuzzing the packet code and ten of random properties (FUZZ_TIME=seconds)
	FUZZ_TIME='$(FUZZ_TIME)' scripts/fuzz.sh

test-pythons: install ## the quick tests under Python 3.11, 3.12 and 3.13, each in an environment of its own
	scripts/test-pythons.sh

mutants: install ## change the code in fifty places, one by one, and see which changes no test notices
	nice -n 10 python benchmarks/mutants.py

lock: install ## resolve pyproject.toml anew into requirements.lock (UPGRADE=yes: to the newest versions)
	uv pip compile pyproject.toml $(GROUPS) --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet \
	  $(if $(filter yes,$(UPGRADE)),--upgrade) -o requirements.lock

clean: ## remove .venv and everything that was built
	rm -rf $(VENV) .venv-* fuzz-corpus build dist docs/_build docs/tutorials .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find eicpy tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
