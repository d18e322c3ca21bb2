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

.PHONY: help install test demo lint format docs benchmark fuzz lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

install: $(STAMP) ## build .venv from requirements.lock, and nothing else

$(STAMP): requirements.lock pyproject.toml scripts/install.sh
	PYTHON='$(PYTHON)' scripts/install.sh $(VENV)
	@touch $@

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

docs: install ## build the documentation into docs/_build/html; a warning is an error
	sphinx-build --fail-on-warning --keep-going --jobs auto docs docs/_build/html
	@echo "docs/_build/html/index.html"

benchmark: install ## measure speed and memory beside the peers, write docs/benchmarks.md
	python benchmarks/run.py

fuzz: install ## ten minutes of coverage-guided fuzzing of the packet code (FUZZ_TIME=seconds), beside .venv
	uv venv --quiet --allow-existing .venv-fuzz
	uv pip install --quiet --python .venv-fuzz/bin/python atheris --editable .
	mkdir -p fuzz-corpus
	NUMBA_DISABLE_JIT=1 nice -n 10 .venv-fuzz/bin/python benchmarks/fuzz_packets.py fuzz-corpus \
	  -max_total_time=$(or $(FUZZ_TIME),600) -max_len=1500 -len_control=0 -timeout=30

lock: install ## resolve pyproject.toml anew into requirements.lock (UPGRADE=yes: to the newest versions)
	uv pip compile pyproject.toml $(GROUPS) --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet \
	  $(if $(filter yes,$(UPGRADE)),--upgrade) -o requirements.lock

clean: ## remove .venv and everything that was built
	rm -rf $(VENV) .venv-fuzz fuzz-corpus build dist docs/_build docs/tutorials .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find eicpy tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
