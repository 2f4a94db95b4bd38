# The only list of commands; CI calls nothing else. Python 3.11 or newer is all that must be there beforehand.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
KERNELS := $(VENV)/.kernels
SOURCES := $(shell find crds runtime operator tests -name '*.py' 2>/dev/null)

.PHONY: help install run check test soak bench acceptance lint generate

help:            ## this list
	@grep -hE '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## */  make \1\t/' | expand -t 20

install: $(STAMP) $(KERNELS) ## make .venv with everything that running and developing needs, kernels compiled

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q $(VENV)/lib
	touch $@

$(KERNELS): $(STAMP) $(filter runtime/%,$(SOURCES))
	$(BIN)/python -m compileall -q crds runtime operator
	$(BIN)/python -m datanexus.engine.kernels
	touch $@

run: install     ## the main job: the sample pipeline over the sample log, then its page with a live stream beside it
	@rm -rf build/run
	@$(BIN)/datanexus run manifests/samples/web-traffic.yaml --data build/run
	@$(BIN)/datanexus query "SELECT window_start, section, requests, errors, bytes, p99, visitors FROM web_traffic.traffic ORDER BY requests DESC, window_start, section LIMIT 12" --data build/run
	@echo; echo "Now its page, with a stream of made-up orders beside it. Ctrl-C ends it."
	@$(BIN)/datanexus up manifests/samples/web-traffic.yaml manifests/samples/live-orders.yaml --data build/run --open

lint: install    ## format, style, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint      ## for every commit, 3 minutes at most: lint, tidy, unit, golden, a short property run
	DATANEXUS_PROFILE=short $(BIN)/python -m pytest -q -n 2 tests/tidy tests/unit tests/golden tests/property

test: lint       ## everything; installs the servers that are missing
	$(BIN)/python -m tests.run

soak: install    ## the large matrices in full
	DATANEXUS_SOAK=1 $(BIN)/python -m tests.run

bench: install   ## every figure beside its peer's, in one run, into docs/benchmarks.md; PARTS="speed peers": only these
	$(BIN)/python -m tests.bench $(if $(PARTS),--only $(PARTS),--write)

acceptance: install ## every promise, the test or benchmark that shows it, its last result
	$(BIN)/python -m tests.acceptance

generate: install ## custom resource definitions and reference pages from the types; the lock file's names stay as they are
	$(BIN)/python -m datanexus_spec
