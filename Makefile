# Two commands on a fresh machine: `make demo` and `make test`. `make check` is the fast part.
PYTHON ?= python3
BACKEND ?= torch
VENV ?= .venv
BIN = $(VENV)/bin
RUN = build/demo-$(BACKEND)
DATA = $(abspath specs/data/optdigits.npz)
# One thread and passive waiting: tests must not depend on the number of cores.
THREADS = OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=0 TF_CPP_MIN_LOG_LEVEL=3
PYTEST = $(THREADS) $(BIN)/python -m pytest -q -n 2

.PHONY: demo check test test-nightly lint docs clean

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

demo: $(VENV)/$(BACKEND)
	$(BIN)/bmc compile specs/vision/digits.bm --backend $(BACKEND) -o $(RUN)/program --force
	$(THREADS) $(BIN)/python $(RUN)/program/train.py --data $(DATA) --out $(RUN)/run --overwrite
	$(THREADS) $(BIN)/python $(RUN)/program/evaluate.py --weights $(RUN)/run/weights.safetensors --data $(DATA)
	$(THREADS) $(BIN)/python $(RUN)/program/predict.py --weights $(RUN)/run/weights.safetensors --data $(DATA) -o $(RUN)/run/predictions.csv
	@head -3 $(RUN)/run/predictions.csv
	@echo
	@echo "The code is in $(RUN)/program, the results are in $(RUN)/run:"
	@echo "weights.safetensors, metrics.jsonl and predictions.csv."

check: $(VENV)/dev lint
	$(PYTEST) -m "not torch and not keras and not onnx and not slow and not nightly"

# The quick part runs before the frameworks are installed: it must not need them.
test: check $(VENV)/torch $(VENV)/keras $(VENV)/onnx
	$(PYTEST) -m "(torch or keras or onnx or slow) and not nightly"

test-nightly: $(VENV)/dev $(VENV)/torch $(VENV)/keras $(VENV)/onnx
	$(PYTEST) -m "not large"
	$(PYTEST) -n 0 -m large

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m bmc.docs --check
	$(BIN)/python -m bmc.completion.generate --check

docs: $(VENV)/dev
	$(BIN)/python -m bmc.docs --write
	$(BIN)/python -m bmc.completion.generate --write

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
