# `make run` and `make test` are all a newcomer needs; `make help` lists the rest.
PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup run demo test test-all check format bench peers patroni campaign storms field consistency consistency-long consistency-sabotage fuzz configs lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 22

setup: $(READY) ## create .venv and install everything, from the lock file

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "coterie needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

run: $(READY) ## run one node with the defaults, on http://127.0.0.1:10000/ (ARGS="--seed ..." for more)
	@$(BIN)/coterie $(ARGS)

demo: $(READY) ## run a cluster of three nodes with both layers on, on ports 10001 to 10003
	@$(BIN)/python -m coterie.app.node.demo

# The tests start hundreds of processes: without compiled files a quarter of their processor time went into compiling.
# Four workers for two cores, since tests of real processes wait more than they compute. Each takes neighbouring tests,
# which share their nodes, and what is left of another's once it has done its own.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n 4 --dist worksteal

test: $(READY) ## run the quick tests of every room (a few minutes)
	$(PYTEST) -m 'not slow and not campaign' $(ARGS)

test-all: $(READY) ## run all tests: also the long ones, all seeds, and pages in a browser
	$(PYTEST) $(ARGS)

check: $(READY) ## format, lint, types, arrows between rooms
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## rewrite the sources in the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## measure speed and memory
	$(BIN)/python -m tests.bench $(ARGS)

peers: $(READY) ## run PySyncObj's own tests on it and on ours, from a checkout (PYSYNCOBJ_CHECKOUT=../PySyncObj); then patroni
	-$(BIN)/python -m tests.verify.pysyncobj_suite stock $(ARGS)
	-$(BIN)/python -m tests.verify.pysyncobj_suite ours $(ARGS)
	-$(MAKE) patroni ARGS=

PATRONI_ENV = build/patroni
# Where the run is root's, the user postgres must be able to start it.
PATRONI_PYTHON = /usr/bin/python3

patroni: $(READY) $(PATRONI_ENV)/.ready ## Patroni and PostgreSQL on Coterie, and on etcd, through failures: seconds without a primary (10 minutes)
	$(BIN)/python -m tests.verify.patroni --programs $(PATRONI_ENV)/bin $(ARGS)

$(PATRONI_ENV)/.ready: tests/verify/patroni/requirements.txt | $(READY)
	$(BIN)/uv venv --quiet --clear --python $(PATRONI_PYTHON) $(PATRONI_ENV)
	$(BIN)/uv pip install --quiet --link-mode copy --python $(PATRONI_ENV)/bin/python -r tests/verify/patroni/requirements.txt
	touch $@

campaign: $(READY) ## long campaigns: simulations, and kills of real processes (hours)
	$(BIN)/pytest -m campaign -n 2 -s --timeout 0 $(ARGS)

storms: $(READY) ## storms over simulated Raft groups, two at a time (ARGS="--start 301000 --seeds 20000", an hour)
	$(BIN)/python -m tests.verify.raft_sim $(ARGS)

fuzz: $(READY) ## hold the API of a running node to its OpenAPI document, for ten minutes (ARGS="--max-time=60" for less)
	$(BIN)/python -m tests.app.openapi.contract $(ARGS)

field: $(READY) ## what operators of similar systems report, tried on real nodes (minutes)
	$(PYTEST) tests/verify/field $(ARGS)

consistency: $(READY) ## both layers under faults, in real processes: every scenario once (minutes)
	$(BIN)/python -m tests.verify.consistency all $(ARGS)

consistency-long: $(READY) ## the same for an hour: runs of two minutes, each with its own seed (ARGS="--runs 60 --seed-from 1")
	$(BIN)/python -m tests.verify.consistency campaign $(ARGS)

consistency-sabotage: $(READY) ## nodes that are broken on purpose, each of which the scenarios must catch
	$(BIN)/python -m tests.verify.consistency sabotage $(ARGS)

configs: $(READY) ## write configs/reference.toml from the settings
	$(BIN)/python -m coterie.app.settings.reference > configs/reference.toml

lock: $(READY) ## write requirements.lock anew
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --group dev --no-header \
		pyproject.toml -o requirements.lock

clean: ## remove the environment and the caches
	rm -rf $(VENV) $(PATRONI_ENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
