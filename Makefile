# sippx: the verbs. `make demo` and `make test` work from a fresh clone on Debian 12 with python3 and gcc.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.sippx-built
LINT_STAMP := $(VENV)/.sippx-lint
ASAN_DIR := build/asan
SOURCES := setup.py pyproject.toml $(wildcard sippx/_core/*.pyx sippx/_core/*.pxd)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: all demo test sctp-test lint asan fuzz bench bench-micro soak docs wheel clean

all: $(STAMP)

$(VENV)/bin/python:
	@$(PYTHON) bench/check_prerequisites.py
	$(PYTHON) -m venv $(VENV)

# The extension modules are built in place, so that tests and benchmarks run what the tree holds.
$(STAMP): $(VENV)/bin/python $(SOURCES)
	$(PIP) install --editable '.[test]'
	@touch $@

demo: $(STAMP)
	$(BIN)/python bench/demo.py

test: $(STAMP)
	$(BIN)/python -m pytest

# tests/sctp in a virtual machine, for kernels without SCTP; WORDS are pytest's. Says what is missing and passes without qemu.
sctp-test: $(STAMP)
	$(BIN)/python tests/sctp/machine.py $(WORDS)

$(LINT_STAMP): $(STAMP)
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["lint"], sep="\n")' \
	    | $(PIP) install --requirement /dev/stdin
	@touch $@

lint: $(LINT_STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	PATH="$(abspath $(BIN)):$$PATH" cython-lint sippx/_core

# The core's tests on a build with AddressSanitizer and UBSan, in a copy of the tree.
asan: $(STAMP)
	rm -rf $(ASAN_DIR) && mkdir -p $(ASAN_DIR)
	tar -c --exclude=./build --exclude=./.venv --exclude=./.git --exclude='*.so' --exclude='*.c' . | tar -x -C $(ASAN_DIR)
	cd $(ASAN_DIR) && SIPPX_BUILD=asan $(abspath $(BIN))/python setup.py --quiet build_ext --inplace
	cd $(ASAN_DIR) && LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	    ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 PYTHONMALLOC=malloc \
	    PYTHONPATH=. SIPPX_ASAN=1 $(abspath $(BIN))/python -m pytest -q -p no:cacheprovider tests/core tests/sim tests/fuzz \
	    tests/e2e/test_stream_transports.py tests/e2e/test_datagram_transports.py tests/faults/test_losses.py \
	    tests/faults/test_sharing.py

fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz

bench: $(STAMP)
	$(BIN)/python bench/compare_sipp.py

bench-micro: $(STAMP)
	$(BIN)/python bench/micro/run_all.py

# Ten minutes of each mode at half the clean rate: memory stays flat, no call fails. Others: make soak SOAK='t1 --seconds 60'
SOAK ?= t1 tn --seconds 600
soak: $(STAMP)
	$(BIN)/python bench/soak.py $(SOAK)

docs: $(STAMP)
	$(BIN)/python docs/generate_options.py
	$(BIN)/python docs/generate_control.py
	$(BIN)/python docs/generate_compatibility.py
	$(BIN)/python docs/generate_checks.py
	$(BIN)/python docs/generate_results.py
	$(BIN)/python docs/generate_man.py

# The wheel is built, installed into an environment of its own and used from outside the tree.
wheel: $(STAMP)
	rm -rf dist build/wheel-venv
	$(PIP) install build
	$(BIN)/python -m build --quiet --wheel
	$(PYTHON) -m venv build/wheel-venv
	build/wheel-venv/bin/python -m pip --disable-pip-version-check --quiet install dist/*.whl
	cd / && $(abspath build/wheel-venv)/bin/python $(abspath bench/check_wheel.py)

clean:
	rm -rf build dist *.egg-info sippx/_core/*.c sippx/_core/*.so $(VENV)
