# make run: the whole study in miniature, from a fresh clone to the report.  make test: all tests.  make check: formatting, in seconds.
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin

.PHONY: run test check format clean

run: .venv/installed
	$(BIN)/snakemake --cores $(CORES) --quiet rules host
	@$(BIN)/python workflow_scripts/show_headline.py

test: .venv/installed check
	$(BIN)/python -m pytest

check: .venv/installed
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/snakefmt --check Snakefile rules

format: .venv/installed
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .
	$(BIN)/snakefmt Snakefile rules

.venv/installed: envs/lock.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "robustlens needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement envs/lock.txt
	@touch $@

clean:
	rm -rf results logs benchmarks .snakemake
