# make run                  track people in the bundled clip
# make run VIDEO=my.mp4     track people in a video of yours
# make test, lint           what their names say
# make docs                 the documentation as a site, build/site/index.html
# make fuzz                 two minutes of damaged files: each is read, or refused in one line
# make bench [VIDEO=...]    what tracking costs beside its networks, and what it remembers; DensePose in int8
#
# Each sets up its own environment in .venv when it is not there. On Linux without an NVIDIA driver it has torch's build
# for CPUs, a tenth of the usual one, where uv can reach that.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VIDEO ?= docs/media/street.mp4
OPTIONS ?= --overwrite
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
comma := ,

.PHONY: run test lint docs fuzz format bench clean

run: $(VENV)/.run
	$(BIN)/posetrack run "$(VIDEO)" $(OPTIONS)

# Several tests at once; networks of one thread each are quicker then.
test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist loadfile

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz: $(VENV)/.dev
	$(BIN)/python scripts/fuzz.py --seconds 120

docs: $(VENV)/.docs
	$(BIN)/python scripts/build_docs.py
	@echo 'built: build/site/index.html'

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
	$(BIN)/python scripts/bench_startup.py
	$(BIN)/posetrack bench "$(VIDEO)" --recipe default --recipe fast
	$(BIN)/python scripts/bench_memory.py "$(VIDEO)"

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# A line a step: pip is quiet, and takes minutes the first time.
$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "PoseTrack needs Python 3.11 or newer: make PYTHON=python3.11")'
	@echo "1/2 making an environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

define install
	@echo "2/2 installing PoseTrack$(2) and what it needs; the first time this takes minutes"
	@if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi > /dev/null && $(PIP) uv 2> /dev/null \
		&& $(BIN)/uv pip install --quiet --python $(BIN)/python --torch-backend cpu --editable '.$(1)' 2> /dev/null; \
	then echo "installed; torch is its build for CPUs, as there is no NVIDIA driver"; \
	else $(PIP) --editable '.$(1)' && echo "installed"; fi
	@touch $@ $(VENV)/.run
endef

$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(call install,,)

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	$(call install,[mobile$(comma)int8$(comma)json], with what benchmarks need)

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(call install,[docs], with what its pages need)

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(call install,[dev], with what its tests need)
