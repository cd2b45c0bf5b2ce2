# setup: .venv with the runbook and everything its tests need · demo: break the sandbox and find the fault
# check: before every commit · test: before every merge, what CI runs · drills: every live drill, recorded anew
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := build/tools
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest -p no:nbval # importing it takes seconds in every worker; its tests start it themselves

.PHONY: setup lock advisories demo lint check test drills docs pictures clean

setup: $(VENV)/.ready

# One stamp: the environment is rebuilt when what it should hold has changed, and a half-made one is never taken for ready.
# What comes from outside is what requirements.lock names, byte for byte; the project itself is then built with the locked
# setuptools, for an isolated build would fetch one that nobody has looked at.
$(VENV)/.ready: pyproject.toml requirements.lock runbook_lib/run/jupyter/kernels/runbook-python/kernel.json
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --require-hashes --requirement requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	mkdir -p $(VENV)/share/jupyter/kernels/runbook-python
	cp runbook_lib/run/jupyter/kernels/runbook-python/kernel.json $(VENV)/share/jupyter/kernels/runbook-python/
	touch $@

# requirements.lock anew, for every platform and Python that the project allows: what stands there stays, where it still fits;
# `make lock UPGRADE=--upgrade` takes the newest of everything. It names no index, so that a mirror serves as well.
lock: $(TOOLS)/.ready
	$(TOOLS)/bin/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --custom-compile-command 'make lock' --extra dev --extra sandbox pyproject.toml --output-file requirements.lock

# What is known against the locked packages. First what was withdrawn, of every platform's; then advisories, of this platform's.
# What could not be asked is a failure: an index that knows no advisories (a mirror, often) is no all-clear.
advisories: $(TOOLS)/.ready
	$(TOOLS)/bin/uv pip compile --universal --python-version 3.11 --no-deps requirements.lock >build/locked.txt 2>build/yanked.txt \
		|| { cat build/yanked.txt; exit 1; }
	! grep 'is yanked' build/yanked.txt
	$(TOOLS)/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock

$(TOOLS)/.ready:
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv pip-audit
	touch $@

demo: setup
	$(BIN)/runbook demo

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two minutes of one processor at most, so that it is run before every commit. What takes over a second is marked slow.
check: lint
	$(PYTEST) --numprocesses 2 --dist worksteal -m "not slow" tests/unit tests/habits $(wildcard tests/golden)

# The drills by themselves: they bring sandboxes side by side. Nothing is tried twice: what is wrong once is wrong.
test: check
	$(PYTEST) --numprocesses 2 --dist worksteal -m slow tests/unit tests/habits $(wildcard tests/golden)
	$(PYTEST) --numprocesses 3 --dist loadfile tests/contract tests/notebooks tests/browser
	$(PYTEST) tests/drills

# Hours: every case live, its records made anew, then replayed whole and with each observation left out.
drills: setup
	$(BIN)/runbook drill --all --record
	$(BIN)/runbook drill --golden
	$(BIN)/runbook drill --ablation
	$(PYTEST) tests/heavy

docs: setup
	$(BIN)/python docs/generate.py

# Of the committed example; needs Chromium.
pictures: setup
	$(BIN)/python docs/pictures.py

clean:
	rm -rf $(VENV) .import_linter_cache .mypy_cache .ruff_cache .pytest_cache build *.egg-info
