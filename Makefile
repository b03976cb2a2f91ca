# sippx: the verbs. `make demo` and `make test` work from a fresh clone on Debian 12 with python3 and gcc.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.sippx-built
SOURCES := setup.py pyproject.toml $(wildcard sippx/_core/*.pyx sippx/_core/*.pxd)

.PHONY: all demo test lint asan fuzz bench bench-micro soak docs wheel clean

all: $(STAMP)

$(VENV)/bin/python:
	@$(PYTHON) bench/check_prerequisites.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(STAMP): $(VENV)/bin/python $(SOURCES)
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@

demo: $(STAMP)
	$(BIN)/python bench/demo.py

test: $(STAMP)
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/python -m pip install --quiet '.[lint]' --no-deps --dry-run >/dev/null
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/cython-lint sippx/_core

clean:
	rm -rf build dist *.egg-info sippx/_core/*.c sippx/_core/*.so $(VENV)
