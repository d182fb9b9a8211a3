# make demo and make test set up all they need: Python 3.11 or later and make are enough.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
SERVE ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo test bench lint docs clean

help:
	@echo "make demo    serve the example shop and show what signalscope records of it"
	@echo "             SERVE=0 stops after the tables, PORT=8001 serves on another port"
	@echo "make test    run the test suite; ARGS='-k admin' is passed on to pytest"
	@echo "make bench   compare the cost with bare Django, for 45 minutes; ARGS=--quick in two"
	@echo "make lint    check style, types and layers"
	@echo "make docs    build the documentation into docs/_build/html"
	@echo "make clean   remove the environment, the demo's database and what was built"
	@echo "PYTHON=python3.13 chooses the Python that the environment is made with."

# One stamp per set of packages: nothing is installed again until pyproject.toml changes.
$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or later is needed, and '$(PYTHON)' is not that:" \
			"$$($(PYTHON) --version 2>&1)."; \
		echo "Name another one: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@# Groups of dependencies need pip 25.1.
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

$(VENV)/demo: $(VENV)/made pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[toolbar]"
	@touch $@

$(VENV)/group-%: $(VENV)/demo
	$(BIN)/python -m pip install --quiet --group $*
	@touch $@

demo: $(VENV)/group-example
	@PORT=$(PORT) SERVE=$(SERVE) $(BIN)/python example_project/demo.py

# In CI the browser's tests may not be skipped.
test: $(VENV)/group-test $(if $(CI),$(VENV)/group-browser)
	$(BIN)/python -m pytest $(ARGS)

bench: $(VENV)/group-bench
	$(BIN)/python -m benchmarks $(ARGS)

lint: $(VENV)/group-test $(VENV)/group-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/group-docs
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf $(VENV) build dist docs/_build example_project/db.sqlite3* example_project/media
