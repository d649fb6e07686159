# `make run` and `make test` need Python 3.11 or later, and nothing else. Both create .venv on first use.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: run test lint browser suites cuda xpu clean

run: $(STAMP)  ## the cayley suite at preset quick; about twelve minutes
	$(BIN)/semh run suites/cayley.yaml

test: $(STAMP)  ## all tests but those that need a browser or a device, or run whole suites
	$(BIN)/pytest -m "not browser and not suites and not cuda and not xpu" -n logical --maxprocesses 4

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

browser: $(STAMP)  ## the report in headless Chromium
	$(BIN)/pytest -m browser

suites: $(STAMP)  ## every suite about a part of SEM at preset smoke
	$(BIN)/pytest -m suites -n logical --maxprocesses 4 --durations=0

cuda: $(STAMP)  ## what only a machine with a CUDA device can test, with its clocks and throttle reasons
	$(BIN)/pip install --quiet --editable ".[cuda]"
	$(BIN)/pytest -m cuda -rs

xpu: $(STAMP)  ## what only a machine with an Intel XPU can test
	$(BIN)/pytest -m xpu -rs

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(STAMP)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
