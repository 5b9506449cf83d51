# make demo: the whole paper on the embedded dataset.  make test: all tests.  make docs: the pages, in site/.
# make coverage: the tests, and the library code they miss.  make picture: README's moving picture, after make demo.
# make model: the small model that the package brings, trained anew.  make clean: results and environment.
PYTHON ?= python3
VENV ?= .venv
CORES ?= all
# One more than two cores, because some tests wait for Slurm.
WORKERS ?= 3
BIN := $(VENV)/bin
BUNDLE := results/synthetic-demo/export/shipped
HEADS := results/synthetic-demo/export/head_base
DOCS := $(patsubst %/,%,$(VENV))-docs
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
ifneq ($(words $(VENV)),1)
$(error VENV must be one path without spaces, not '$(VENV)')
endif
# Exists while an installation is under way. What a killed one leaves behind, pip takes for complete.
UNDONE := $(patsubst %/,%,$(VENV)).installing
.PHONY: help demo model test lint docs picture coverage clean environment begun

help:
	@sed -n "1,3s/^# //p" Makefile

demo: $(VENV)/.installed
	$(BIN)/python -m snakemake --cores $(CORES) all
	@echo "Done: results/table2.csv, results/figures/, results/figures/demo.mp4"

# Synthetic speakers who pause, and more of all training: 15 minutes of a core. It uses, and changes, the folder of the demonstration.
model: $(VENV)/.installed
	$(BIN)/python -m snakemake --cores $(CORES) --config dataset=synthetic scale=demo preset=paper seed=0 'synthetic={pauses: 0.5}' \
	    'speech_encoder={stand_in: {utterances: 400, steps: 1000}}' 'variants={shipped: {epochs: 40, validate_every: 3, preview_every: 5}}' -- $(BUNDLE)/model.safetensors $(HEADS)/pose_base.safetensors
	cp $(BUNDLE)/model.safetensors $(BUNDLE)/settings.json $(HEADS)/*.safetensors $(HEADS)/head_settings.json scripts/said/animation/demo/

test: lint docs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.installed-test
	$(BIN)/python -m ruff check scripts workflow_tests docs setup.py
	$(BIN)/python -m ruff format --check --quiet scripts workflow_tests docs setup.py
	$(BIN)/snakefmt --check Snakefile rules
	PYTHONPATH=scripts $(BIN)/lint-imports --no-logo --verbose 2>&1 | tail -n 20
	$(BIN)/basedpyright --level error
	$(BIN)/python -m snakemake --lint --quiet

coverage: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term --cov-report=html:coverage
	@echo "Done: coverage/index.html"

# README's moving picture, from the demonstration: under 2 MB.
picture: report/demo.webp

report/demo.webp: results/figures/demo.mp4 docs/picture.py
	$(BIN)/python docs/picture.py results/figures/demo.mp4 $@

docs: $(VENV)/.installed $(DOCS)/.installed
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --strict --quiet
	@echo "Done: site/index.html"

environment: $(VENV)/.installed

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: make $(MAKECMDGOALS) PYTHON=python3.11")'
	@PYTHONPATH=scripts $(PYTHON) -m said.workflow.paths
	@mkdir -p $(VENV) && touch $(UNDONE)
	@$(PYTHON) -m venv $(if $(filter begun,$^),--clear) $(VENV) || { echo "No venv module: apt install python3-venv, or conda env create -f envs/said.yaml"; exit 1; }
	$(INSTALL) --no-compile -r requirements.txt
	@$(BIN)/python -m snakemake --version >/dev/null 2>&1 || $(INSTALL) --no-compile --ignore-installed -r requirements.txt
# With all cores, where pip has one. Some packages hold templates that are no Python.
	@$(BIN)/python -m compileall -qq -j 0 -x 'site-packages/.*/tests/' $(VENV) || true
# So that `python -m said` and `import said` find the library, from any folder.
	@$(BIN)/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), "said.pth").write_text(str(pathlib.Path("scripts").resolve()) + "\n")'
	@touch $@ && rm $(UNDONE)

$(VENV)/.installed-test: requirements-test.txt $(VENV)/.installed
	@touch $(UNDONE)
	$(INSTALL) -r requirements-test.txt
	@touch $@ && rm $(UNDONE)

ifneq ($(wildcard $(UNDONE)),)
$(VENV)/.installed: begun
endif

$(DOCS)/.installed: requirements-docs.txt
	@$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-docs.txt
	@touch $@

clean:
	rm -rf $(VENV) $(DOCS) $(UNDONE) .snakemake site
	find results -mindepth 1 ! -name README.md -delete
