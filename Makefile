# Two commands on a fresh machine: `make demo` and `make test`. `make check` is the fast part.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# One thread and passive waiting: tests must not depend on the number of cores.
THREADS = OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=0 TF_CPP_MIN_LOG_LEVEL=3
PYTEST = $(THREADS) $(BIN)/python -m pytest -q -n 2

.PHONY: check test lint docs clean

$(VENV)/base: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/torch: $(VENV)/base
	$(BIN)/python -m pip install --quiet "torch==2.13.0"
	$(BIN)/python -m pip install --quiet -e ".[torch]"
	touch $@

$(VENV)/keras: $(VENV)/base
	$(BIN)/python -m pip install --quiet -e ".[keras]"
	touch $@

$(VENV)/onnx: $(VENV)/base
	$(BIN)/python -m pip install --quiet -e ".[onnx]"
	touch $@

$(VENV)/dev: $(VENV)/base
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@

check: $(VENV)/dev lint
	$(PYTEST) -m "not torch and not keras and not onnx and not slow"

test: $(VENV)/dev $(VENV)/torch $(VENV)/keras $(VENV)/onnx lint
	$(PYTEST) -m "not nightly"

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m bmc.docs --check

docs: $(VENV)/base
	$(BIN)/python -m bmc.docs --write

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
