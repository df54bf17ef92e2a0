# Two commands: `make book` and `make test`. Both make the environment first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PROFILE ?= laptop
DEVICE ?= cpu
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
LAB_READY := $(VENV)/lab-ready
BROWSER_READY := $(VENV)/browser-ready
SNAKEMAKE := PYTHONPATH=workflow/plugins$${PYTHONPATH:+:$$PYTHONPATH} $(BIN)/snakemake --logger progress
export PYTHONDONTWRITEBYTECODE :=# where it is set, each of fifty processes compiles torch anew
LONG := keff projection fig9_histories frontier_2d calibration runtimes fig4_spaces# pages that should not come last
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1# two workers with two threads each wait for one another

.DEFAULT_GOAL := help
.PHONY: help book live campaign test coverage test-book test-browser test-cluster pdf lab pins bench clean

help:  ## print this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20
	@echo
	@echo "  PROFILE=smoke|laptop|paper chooses the size of the book, for example: make book PROFILE=smoke"

book: $(READY)  ## run the notebooks, build _build/html; MEASURE=1 measures what is committed, TRAIN=1 trains it, too
	$(if $(filter-out 0,$(TRAIN)),DOTLIB_TRAIN=1) $(if $(filter-out 0,$(MEASURE)),DOTLIB_MEASURE=1) $(SNAKEMAKE) --config profile=$(PROFILE) device=$(DEVICE) \
	  --prioritize $(LONG:%=_build/executed/$(PROFILE)/%.ipynb)

campaign: $(READY)  ## make the next missing record of results/campaign.yml; DEVICE=cuda for the published sizes
	$(SNAKEMAKE) --nolock campaign --forcerun record --config device=$(DEVICE)

test: $(READY)  ## run the hooks (style, types, spelling), then all tests
	@if [ -e .git ]; then $(BIN)/pre-commit run --all-files --show-diff-on-failure; \
	  else echo "no git checkout, so the hooks are left out: they check the files that git tracks"; fi
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist worksteal $(TEST_OPTIONS)

coverage: TEST_OPTIONS = --cov=dotlib --cov-report=term --cov-fail-under=95
coverage: test  ## the same, a third longer, and which lines of dotlib the tests run: at least 95 %

test-book: $(READY)  ## check what `make book PROFILE=smoke` left in this folder: warnings, records, links, figures
	$(BIN)/python -m pytest -m book tests/book
	$(BIN)/python workflow/check_book.py

test-browser: $(BROWSER_READY)  ## open what `make book` left in Chromium: every page, search, sliders, downloads, PDF
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -m browser tests/browser

test-cluster: $(READY)  ## run the workflow on a Slurm that it starts and stops; needs root, slurm-wlm and munge
	@$(BIN)/python tests/cluster/loopback_slurm.py
	env $(ONE_THREAD) $(BIN)/python -m pytest -m cluster tests/cluster

pdf: $(BROWSER_READY)  ## print what `make book` left to _build/book.pdf; needs Chromium
	$(BIN)/python workflow/print_book.py

live: $(READY)  ## show an edit of one page's text in seconds, in _build/live: make live PAGE=keff
	$(BIN)/python workflow/live.py "$(PAGE)" $(PROFILE)

lab: $(LAB_READY)  ## open JupyterLab; text notebooks open as notebooks
	DOTLIB_ROOT="$(CURDIR)" IPYTHONDIR="$(CURDIR)/$(VENV)/ipython" \
	  $(BIN)/python -m jupyterlab --LabApp.default_url=/lab/tree/notebooks $(LAB_OPTIONS)

pins: $(READY)  ## write constraints.txt anew from pyproject.toml; to move versions: make pins NEWEST="numpy torch"
	$(BIN)/python workflow/pin.py $(NEWEST)

bench: $(READY)  ## run the benchmarks
	set -e; for file in benchmarks/*.py; do echo "$$file"; $(ONE_THREAD) $(BIN)/python $$file; done

clean:  ## remove what was built; the environment and trained pairs stay
	rm -rf _build/html _build/html-* _build/book.pdf _build/executed _build/records _build/steps _build/campaign _build/logs \
	  executed .snakemake .pytest_cache .ruff_cache .hypothesis .coverage

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and \
	  f"Python 3.11 is needed, {sys.executable} is {v[0]}.{v[1]}; name another: make PYTHON=/path/to/python3.11")'
	@echo "making the environment in $(VENV), about two minutes"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[book,judges,test]'
	@touch $@

$(BROWSER_READY): $(READY)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[browser]'
	@touch $@

$(LAB_READY): $(READY) workflow/lab_settings.json workflow/lab_startup.py
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[lab]'
	mkdir -p $(VENV)/share/jupyter/lab/settings
	cp workflow/lab_settings.json $(VENV)/share/jupyter/lab/settings/overrides.json
	mkdir -p $(VENV)/ipython/profile_default/startup
	cp workflow/lab_startup.py $(VENV)/ipython/profile_default/startup/00-root.py
	@touch $@
