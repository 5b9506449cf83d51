#!/usr/bin/env bash
# Runs inside the new environment, in the folder that Snakemake was started from.
set -euo pipefail
python -m pip install --disable-pip-version-check -r requirements.txt
