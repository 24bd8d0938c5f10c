# promptd: every chore by one name. `make help` lists them.
#
# The virtual environment is made once, and again when pyproject.toml or the interpreter changes. Nothing but
# the package index (and for systemd-test a Debian mirror) is asked for over the network, and nothing outside this
# directory is written.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up$(subst /,-,$(PYTHON))
# As many workers as processors; WORKERS=0 runs the tests in one process, in order. More than eight are no use:
# what is left by then is the longest test.
WORKERS ?= logical
PARALLEL := --numprocesses $(WORKERS) --maxprocesses 8 --dist loadscope
PYTEST_ARGS ?=
PROVE_ARGS ?=
PROVE_EXAMPLES ?= 1000
PARTS ?=
BASE ?=
SOAK_ARGS ?=
CHAOS_ARGS ?=
SIEGE_ARGS ?=
CORPORA ?=
TOKEN_PEERS := .cache/token-peers/bin/python
TOKENS_ARGS ?= --passes --keep
TEST_ALL_PYTHONS ?= python3.11 python3.12 python3.13

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
unexport PYTHONDONTWRITEBYTECODE  # each of the hundreds of processes that tests start would compile promptd again

.PHONY: help setup demo check format test cover prove test-all bench profile docs pictures units systemd-test soak chaos siege bench-tokens clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make the virtual environment (PYTHON=… picks the interpreter)

$(STAMP): pyproject.toml .ci/setup hatch_build.py promptd/sources/worktree/_stat_proof.c
	@.ci/setup "$(PYTHON)" "$(VENV)"
	@touch "$@"

demo: $(STAMP) ## the daemon at work on the library shipped inside the package
	@$(BIN)/promptd demo

check: $(STAMP) ## the gate: format, lint, types, import rules
	@echo "== ruff format" && $(BIN)/ruff format --check .
	@echo "== ruff check" && $(BIN)/ruff check .
	@echo "== mypy --strict" && $(BIN)/mypy --strict promptd
	@echo "== import rules" && $(BIN)/lint-imports --no-logo --cache-dir .cache/imports

format: $(STAMP) ## rewrite the sources as the gate wants them
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

test: $(STAMP) ## the tests that are not slow, in parallel: two minutes (PYTEST_ARGS=… for a part)
	@echo "== tests on $$($(BIN)/python --version)"
	@$(BIN)/python -m pytest $(PARALLEL) -m 'not slow' --examples 25 $(PYTEST_ARGS)

cover: $(STAMP) ## all tests, with branch coverage (PYTEST_ARGS=… for a part)
	@echo "== all tests, with coverage, on $$($(BIN)/python --version)"
	@mkdir -p .cache/coverage
	@$(BIN)/python -m pytest $(PARALLEL) --cov --timeout 180 $(PYTEST_ARGS)

prove: $(STAMP) ## proofs, faults and state machines at length, soak and chaos (PROVE_EXAMPLES=1000 percent, PROVE_ARGS=…)
	@echo "== faults and proofs, $(PROVE_EXAMPLES) % of the examples"
	@$(BIN)/python -m pytest $(PARALLEL) --examples $(PROVE_EXAMPLES) --timeout 3600 tests/faults tests/proofs $(PROVE_ARGS)
	@echo "== every other property and state machine, $(PROVE_EXAMPLES) % of the examples"
	@$(BIN)/python -m pytest $(PARALLEL) --examples $(PROVE_EXAMPLES) --timeout 3600 -m hypothesis \
		--ignore tests/faults --ignore tests/proofs $(PROVE_ARGS)
	@$(MAKE) soak chaos

test-all: ## the tests that are not slow under every supported interpreter found on this machine
	@.ci/test-all $(TEST_ALL_PYTHONS)

bench: $(STAMP) ## every figure of docs/performance.md, in under ten minutes (PARTS=… for some, BASE=<commit> to compare)
	@$(BIN)/python -m pip install -qq --editable '.[bench]' </dev/null
	@$(BIN)/python -m $(if $(BASE),benchmarks.base $(BASE),benchmarks.bench $(PARTS))

bench-tokens: $(STAMP) $(TOKEN_PEERS) ## the tables of docs/tokens.md for the shipped library; CORPORA=DIR adds DIR/swm-factory and DIR/gsd
	@$(BIN)/python -m benchmarks.bench_tokens $(if $(CORPORA),--corpora $(CORPORA)) --peers $(TOKEN_PEERS) $(TOKENS_ARGS)

# The compressors that it measures beside promptd have dependencies of their own, so they get an environment.
$(TOKEN_PEERS):
	@$(PYTHON) -m venv .cache/token-peers
	@$@ -m pip install -qq 'compression-prompt>=0.1.2' 'promptminify>=0.3' 'claw-compactor>=7.1' tiktoken </dev/null

profile: $(STAMP) ## where the hot path spends its time, and its instructions a request
	@$(BIN)/python -m benchmarks.profiling
	@$(BIN)/python -m benchmarks.instructions

docs: $(STAMP) ## write docs/protocol.md and the snapshot's schema from what the daemon says of itself
	@$(BIN)/python -m promptd.cli.protocol_page docs/protocol.md
	@$(BIN)/python -m promptd.monitor.schema > promptd/monitor/health-2.schema.json

pictures: $(STAMP) ## draw docs/pictures from a real daemon; wants chromium
	@$(BIN)/python docs/pictures/draw.py

units: ## verify and score the systemd units
	@.ci/units

systemd-test: $(STAMP) ## promptd under a booted systemd; wants root (SUITE=trixie for a newer one)
	@$(BIN)/python tests/systemd/run.py $(SUITE)

soak: $(STAMP) ## the properties of tests/proofs at length, with a report (SOAK_ARGS="--steps N --changes N")
	@$(BIN)/python -m tests.proofs.soak $(SOAK_ARGS)

chaos: $(STAMP) ## load while everything goes wrong, with a table (CHAOS_ARGS="--seconds N", 120 s)
	@$(BIN)/python -m tests.proofs.chaos $(CHAOS_ARGS)

siege: $(STAMP) ## an innocent client beside the worst we know (SIEGE_ARGS="NAME … --mixture SECONDS --keep"), 6 min
	@$(BIN)/python -m benchmarks.siege $(SIEGE_ARGS)

clean: ## remove environments, caches and build output
	@rm -rf .venv .cache build dist .coverage* .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
