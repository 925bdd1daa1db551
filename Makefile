# `make run` serves the registry on port 5000 and its UI on 8080, until Ctrl-C or either ends.
# `make run` and `make test` set up all they need in .venv, on any machine with Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up

.PHONY: run test lint conformance bench clean

run: $(SETUP)
	mkdir -p data/registry
	@trap 'kill $$registry $$ui 2>/dev/null; wait' EXIT; trap 'exit 130' INT TERM; \
	$(BIN)/twistd --nodaemon --pidfile= holm-registry \
	    --config docs/config-example.yml --root data/registry & registry=$$!; \
	$(BIN)/twistd --nodaemon --pidfile= holm-ui \
	    --registry-url http://localhost:5000 --public-registry localhost:5000 & ui=$$!; \
	while kill -0 $$registry && kill -0 $$ui; do sleep 1; done 2>/dev/null; exit 1

test: lint
	$(BIN)/python -m pytest

lint: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The official programme of the OCI distribution-spec; see tests/conformance.sh for what it needs.
conformance: $(SETUP)
	tests/conformance.sh

# Beside registry 2.8.2 and nginx; see docs/performance.md for what it needs. BENCH="--only push".
bench: $(SETUP)
	$(BIN)/python -m benchmarks $(BENCH)

$(SETUP): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test]' --config-settings editable_mode=compat
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
