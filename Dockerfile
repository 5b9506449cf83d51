# The pinned packages, from requirements.txt; the workflow itself is mounted: docs/clusters.md says how.
# On a machine without a GPU: --build-arg PIP_EXTRA_INDEX_URL=<PyTorch's index of CPU builds> makes the image much smaller.
FROM python:3.13-slim
ARG PIP_EXTRA_INDEX_URL
COPY requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --disable-pip-version-check -r /tmp/requirements.txt
# Caches of compiled code and of matplotlib, for users without a home in the image.
ENV NUMBA_CACHE_DIR=/tmp/numba MPLCONFIGDIR=/tmp/matplotlib
# `python -m said` finds the library in the workflow that is mounted.
ENV PYTHONPATH=/workflow/scripts
WORKDIR /workflow
CMD ["snakemake", "--cores", "all", "all"]
