# setup: .venv with the runbook and everything its tests need · demo: break the sandbox and find the fault · test: lint, types, every test
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test lint docs bench clean

setup: $(VENV)/.ready

# One stamp: the environment is rebuilt when what it should hold has changed, and a half-made one is never taken for ready.
$(VENV)/.ready: pyproject.toml runbook_lib/run/jupyter/kernels/runbook-python/kernel.json
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,sandbox]'
	mkdir -p $(VENV)/share/jupyter/kernels/runbook-python
	cp runbook_lib/run/jupyter/kernels/runbook-python/kernel.json $(VENV)/share/jupyter/kernels/runbook-python/
	touch $@

demo: setup
	$(BIN)/runbook demo

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What failed is tried once more, by itself: a busy machine makes a test stumble now and then, and the log names it for mending.
# The drills by themselves: they bring sandboxes side by side, and what they see depends on moments.
test: lint
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --ignore tests/drills \
	|| $(BIN)/python -m pytest --last-failed --last-failed-no-failures none --ignore tests/drills
	$(BIN)/python -m pytest tests/drills

docs: setup
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) .import_linter_cache .mypy_cache .ruff_cache .pytest_cache build *.egg-info
