# `make run` serves the registry on port 5000 and its UI on 8080, for this machine alone, until Ctrl-C or
# either ends: `make run PORT=5001 UI_PORT=8081 HOST=0.0.0.0` changes all of that.
# `make run` and `make test` set up all they need in .venv, on any machine with Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up
TEST_SETUP := $(VENV)/.set-up-test
DOCS_SETUP := $(VENV)/.set-up-docs
HERE := $(dir $(lastword $(MAKEFILE_LIST)))

# twistd finds plugins in folders of the path alone, as this mode has it; its warning is for us and not for
# those who only want to see it run.
PIP_INSTALL = PYTHONWARNINGS=ignore $(BIN)/python -m pip install --disable-pip-version-check --no-input \
    --config-settings editable_mode=compat

# No `?=`: many environments have variables of these names for something else.
HOST = 127.0.0.1
PORT = 5000
UI_PORT = 8080

.PHONY: run check test lint conformance bench dist sbom docs clean

run: $(SETUP)
	@exec $(BIN)/python $(HERE)tools/run.py "$(HOST)" "$(PORT)" "$(UI_PORT)"

# The inner loop: all that needs no server of its own and no other program; about a minute.
check: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadfile tests/unit tests/contract tests/http tests/ui

# Two processes, each with whole files: what the tests of one file share is made once.
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(TEST_SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The official programme of the OCI distribution-spec; see tests/conformance.sh for what it needs.
conformance: $(TEST_SETUP)
	tests/conformance.sh

# Beside registry 2.8.2 and nginx; see docs/performance.md for what it needs. BENCH="--only push".
bench: $(TEST_SETUP)
	$(BIN)/python -m benchmarks $(BENCH)

# The sdist and the wheel, the same bytes from the same commit; see docs/release.md.
dist: $(TEST_SETUP)
	@$(BIN)/python $(HERE)tools/dist.py

# The software bill of materials of the image, in dist/; ENGINE=docker where there is no podman.
ENGINE = podman
sbom: $(TEST_SETUP)
	@version=$$($(BIN)/python $(HERE)tools/version.py) && mkdir -p dist && \
	    file=dist/holm-registry-$$version.cdx.json && \
	    { $(BIN)/python $(HERE)tools/sbom.py localhost/holm-registry:$$version $(ENGINE) >$$file || \
	    { rm -f $$file; exit 1; }; }

$(SETUP): setup.cfg pyproject.toml
	@echo "Setting up $(VENV), which takes a minute, and only now:"
	@echo "1 of 2: a Python environment"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "2 of 2: Holm Registry, and what it needs"
	@$(PIP_INSTALL) --editable .
	@touch $@

$(TEST_SETUP): $(SETUP)
	@echo "What the tests need"
	@$(PIP_INSTALL) --editable '.[test]'
	@touch $@

# The documents as a site in build/site; fails on any warning, such as a link that leads nowhere.
docs: $(DOCS_SETUP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean

$(DOCS_SETUP): $(SETUP)
	@echo "Installing what the site needs"
	@$(PIP_INSTALL) --editable '.[docs]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
