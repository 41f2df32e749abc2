# make run                  track people in the bundled clip
# make run VIDEO=my.mp4     track people in a video of yours
# make test, lint           what their names say
# make fuzz                 two minutes of damaged files: each is read, or refused in one line
# make bench [VIDEO=...]    what tracking costs beside its networks, and what it remembers; DensePose in int8
#
# Each sets up its own environment in .venv when it is not there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VIDEO ?= docs/media/street.mp4
OPTIONS ?= --overwrite

.PHONY: run test lint fuzz format bench clean

run: $(VENV)/.run
	$(BIN)/posetrack run "$(VIDEO)" $(OPTIONS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz: $(VENV)/.dev
	$(BIN)/python scripts/fuzz.py --seconds 120

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench
	$(BIN)/python scripts/bench_association.py
	$(BIN)/python scripts/bench_tracking.py scenes --quiet
	$(BIN)/python scripts/bench_tracking.py cost
	$(BIN)/python scripts/bench_evaluation.py
	$(BIN)/python scripts/bench_densepose.py
	$(BIN)/python scripts/bench_int8.py
	$(BIN)/python scripts/bench_detector.py
	$(BIN)/posetrack bench "$(VIDEO)" --recipe default --recipe fast
	$(BIN)/python scripts/bench_memory.py "$(VIDEO)"

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PoseTrack needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[mobile,int8]'
	touch $@ $(VENV)/.run

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.run
