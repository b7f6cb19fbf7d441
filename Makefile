# Each target sets up what it needs with nothing but python3 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: setup demo test long browser postgres unit ui bench check quick docs words clean lock

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $(STAMP)
	@echo "ready: .venv/bin/crm-pipeline --help"

demo: setup
	test -e data/sample/source.yaml || $(BIN)/crm-pipeline sample --recordings 40 --out data/sample
	$(BIN)/crm-pipeline run --source data/sample --home data/home

# a worker per core; a file's tests stay together, because they share the home that the first of them builds; a worker that crashes
# ends the run as failed: replaced, it could leave the others waiting for ever (pytest-xdist 3.8, its issue 1327)
test: setup browser postgres
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0

# what takes many minutes: backfills of a year through the UI's API, kills, rebuilds beside fresh homes, 24 runs on SQLite
long: setup
	$(BIN)/python -m pytest -m slow

# the UI test opens a real browser; without one, and without the right to install it, that test is skipped
browser:
	@command -v chromium > /dev/null || { test "$$(id -u)" = 0 && apt-get update -qq \
		&& DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium > /dev/null; } \
		|| echo "no Chromium, and no right to install it: the test of the UI will be skipped"

# the tests of PostgreSQL start a server of their own; without its package, and without the right to install it, they are skipped
postgres:
	@test -n "$$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb 2> /dev/null)" || { test "$$(id -u)" = 0 && apt-get update -qq \
		&& DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql > /dev/null; } \
		|| echo "no PostgreSQL server, and no right to install it: its tests will be skipped"

unit: setup
	$(BIN)/python -m pytest crm_pipeline_tests/unit

ui: setup
	test -e data/home/lake/source.json || $(MAKE) demo
	$(BIN)/crm-pipeline ui --home data/home --source data/sample

bench: setup
	$(BIN)/python -m benchmarks

quick: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

check: quick
	$(BIN)/mypy
	$(BIN)/python -c "import crm_pipeline.definitions as d; d.defs()"

# the pages that are made from the code
docs: setup
	$(BIN)/python -m crm_pipeline_tests.make_docs

# how the watched words sound, as the package brings it: after a change of what they are learned by
words: setup
	$(BIN)/python -m crm_pipeline_tests.make_words

clean:
	rm -rf data/sample data/home benchmarks/out .pytest_cache .ruff_cache .hypothesis .import_linter_cache

lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --editable .[ui,postgres,chinese,audio,deep,dev]
	$(VENV)-lock/bin/python -m pip freeze --exclude-editable > requirements.lock
	rm -rf $(VENV)-lock
