# make run: the whole study in miniature, from a fresh clone to the report.  make test: all tests.  make check: formatting, lint and types.
# make run ARGS=--dry-run: what would run; ARGS may be any options and targets of snakemake.
# make clean: lists what it would delete.
# make bench: speed and memory, beside the peers, into docs/performance.md.
# make docs: these pages as a site, site/index.html; a warning is an error.
PYTHON ?= python3
CORES ?= all
ARGS ?=
SHELL := bash

# Every tool is called as its module: the commands in .venv/bin name the place where .venv was made, which is another once a clone is moved.
PY := .venv/bin/python

# What a shell or a module of a cluster may have set, and what nothing here is to go by: packages and habits of another Python, another folder
# for pip to install to, another profile, another look of figures.
unexport $(filter-out PYTHON,$(filter PYTHON%,$(.VARIABLES))) PIP_TARGET PIP_PREFIX PIP_ROOT SNAKEMAKE_PROFILE MPLBACKEND MATPLOTLIBRC
export PIP_USER := 0

# Caches lie in the clone: a home folder may be missing, full or read-only.
CACHES := MPLCONFIGDIR="$$PWD/.snakemake/cache/matplotlib" XDG_CACHE_HOME="$$PWD/.snakemake/cache"
SNAKEMAKE := $(CACHES) $(PY) -m snakemake --profile none --workflow-profile profiles/default

# Suites run side by side, since that over Slurm mostly waits; every line that one says begins with its name. What each cost in CPU seconds is
# said at the end. `make test` leaves out what is marked `full`, which repeats at size what other tests hold; `make test-all` does not.
SUITES := test-cluster test-studies test-workflow test-units
CPU := "$$PWD/.pytest_cache/cpu"
.PHONY: run test test-all $(SUITES) test-oldest check format lock licences audit bench docs clean

run: .venv/installed
	@$(PY) envs/moved.py
	$(SNAKEMAKE) --quiet rules host --cores $(CORES) $(ARGS)
	@$(if $(ARGS),,$(PY) workflow_scripts/show_headline.py)

test: .venv/installed
	@rm -rf $(CPU)
	@$(COUNTED) check $(MAKE) --no-print-directory check
	@$(MAKE) --no-print-directory --keep-going --jobs 3 $(SUITES); status=$$?; ROBUSTLENS_CPU=$(CPU) $(PY) tests/cpu_seconds.py; exit $$status

test-all:
	@$(MAKE) --no-print-directory test FULL=1 SEEDS="0 1 2" ROBUSTLENS_FUZZ=100 ROBUSTLENS_KILLS=12
	@$(MAKE) --no-print-directory test-oldest

COUNTED = ROBUSTLENS_CPU=$(CPU) $(CACHES) $(PY) tests/cpu_seconds.py
test-units: TESTS := tests/unit tests/scripts
test-workflow: TESTS := tests/workflow
test-cluster: TESTS := tests/cluster
test-studies: TESTS := tests
test-studies: SELECT := study

SELECT := not study
$(SUITES): .venv/installed
	@set -o pipefail; $(COUNTED) $@ $(PY) -m pytest -m "$(SELECT)$(if $(FULL),, and not full)" $(TESTS) 2>&1 | sed -u "s/^/$@  /"

# Units and scripts at the lower bounds of pyproject.toml, in an environment of their own; other versions warn of other things.
test-oldest: .venv-oldest/installed
	.venv-oldest/bin/python -m pytest -o filterwarnings=default tests/unit tests/scripts -m "not study and not full"

check: .venv/installed
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --quiet --check .
	@$(PY) -m snakefmt --check Snakefile rules workflow
	@$(PY) -m mypy --no-error-summary
	@$(foreach mode,stored streamed,$(call lint,$(mode)) &&) true

# Snakemake's own linter, on all rules: those of activations differ by mode. A folder of its own, since results may be another study's.
lint = { said=$$($(SNAKEMAKE) --lint --snakefile workflow/Snakefile --directory .snakemake/lint \
	--config "activations={mode: $(1)}" 2>&1) || { echo "$$said"; false; }; }

format: .venv/installed
	$(PY) -m ruff check --fix --quiet .
	$(PY) -m ruff format --quiet .
	$(PY) -m snakefmt Snakefile rules workflow

# All over again where the Python that .venv was made of has gone.
LOST := $(if $(realpath $(PY)),,lost)
.PHONY: lost
.venv/installed: envs/lock.txt $(LOST)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "robustlens needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(LOST:lost=--clear) .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement envs/lock.txt
	@touch $@

# The lock, with hashes, from pyproject.toml: pins that still fit stay, and `make lock UPGRADE=--upgrade` takes the newest of all.
# oldest.txt: every direct dependency at its lower bound. Both name no package that Linux and macOS do without.
RESOLVE = .tools/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --all-extras --generate-hashes --no-annotate \
	--custom-compile-command "make lock" $(addprefix --no-emit-package ,colorama httpx2-jsfetch pyreadline3) pyproject.toml
UPGRADE ?=
lock: .tools/bin/uv
	$(RESOLVE) $(UPGRADE) --output-file envs/lock.txt
	$(RESOLVE) $(UPGRADE) --resolution lowest-direct --output-file envs/oldest.txt

# The licence of every package of the lock; known vulnerabilities of them, where the database can be reached.
licences audit: .venv/installed
	@$(PY) envs/$@.py

.tools/bin/uv:
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"

# Measures all beside its peers, on this machine, and writes docs/performance.md. LITE=<checkout of NetDissect-Lite>; SLURM=1, as root; DEVICE=cuda
bench: .venv/installed
	$(PY) bench/all.py $(if $(LITE),--lite $(LITE)) $(if $(SLURM),--slurm) $(if $(DEVICE),--device $(DEVICE))

docs: .venv-docs/installed
	.venv-docs/bin/python docs/write_config.py
	.venv-docs/bin/python -m sphinx --quiet --fail-on-warning --keep-going --write-all docs site

.venv-docs/installed: envs/docs.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement envs/docs.txt
	@touch $@

.venv-oldest/installed: envs/oldest.txt
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement envs/oldest.txt
	@touch $@

# Lists what is generated, with sizes; deletes it with SURE=1. Folders that --directory named are their users' own.
clean: FOUND = $(wildcard results logs benchmarks .snakemake site)
clean:
	@$(if $(FOUND),du -hd 1 $(FOUND),echo "There is nothing to delete.")
	@$(if $(FOUND),$(if $(filter 1,$(SURE)),rm -rf $(FOUND) && echo "Deleted.",echo "Nothing was deleted yet: make clean SURE=1 deletes all of these."))
