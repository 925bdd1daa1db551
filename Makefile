# `make run` serves the registry on port 5000 and its UI on 8080, for this machine alone, until Ctrl-C or
# either ends: `make run PORT=5001 UI_PORT=8081 HOST=0.0.0.0` changes all of that.
# `make run` and `make test` set up all they need in .venv, on any machine with Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.set-up
TEST_SETUP := $(VENV)/.set-up-test
HERE := $(dir $(lastword $(MAKEFILE_LIST)))

# twistd finds plugins in folders of the path alone, as this mode has it; its warning is for us and not for
# those who only want to see it run.
PIP_INSTALL = PYTHONWARNINGS=ignore $(BIN)/python -m pip install --disable-pip-version-check --no-input \
    --config-settings editable_mode=compat

# No `?=`: many environments have variables of these names for something else.
HOST = 127.0.0.1
PORT = 5000
UI_PORT = 8080

.PHONY: run check test lint conformance bench dist sbom clean
