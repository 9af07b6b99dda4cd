# The same commands on a laptop and in CI. `make setup` needs only Python 3.11 and pip.
PYTHON ?= python3.11
BIN := .venv/bin
# The CPU build of PyTorch, which trains networks: the build on PyPI brings gigabytes of CUDA. It has no version there, so where
# pip is not told of another index that has it, it is refused at once, and what needs it is skipped.
TORCH := torch==2.13.0+cpu --hash=sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b
# A file's tests share a worker, and so what its fixtures made once. (Marks of --dist loadgroup are not heard: pytest-xdist 3.8
# writes them where pytest 9.2 no longer looks, pytest-xdist issue 1386.)
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --durations=15 --durations-min=1

.PHONY: setup demo check test servers test-all bench lock clean
.DEFAULT_GOAL := help

help: ## List the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 12

setup: .venv/.installed ## Make .venv with all that demo, tests and checks need

.venv/.installed: requirements-dev.lock requirements-deep.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-deep.lock || \
	  echo "No CPU build of PyTorch is to be had here: the tests of networks will be skipped"
	@touch $@

demo: setup ## Raw tables to a model that is served, watched and trained again, on real flights (about three minutes)
	@$(BIN)/python examples/flights/demo.py

check: setup ## Style, types, layers, sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/sizes.py
	$(BIN)/python tools/contents.py --check

test: setup ## All tests that need no server of another project, without the slow ones
	$(PYTEST) -m "not server and not slow"

servers: setup .venv-feast/.installed .venv-s3/.installed ## Install what test-all starts (podman, databases, where apt can; Feast's SDK; an S3 server)
	$(BIN)/python tools/servers.py

.venv-feast/.installed: requirements-feast.lock
	$(PYTHON) -m venv .venv-feast
	.venv-feast/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-feast.lock
	@touch $@

.venv-s3/.installed: requirements-s3.lock
	$(PYTHON) -m venv .venv-s3
	.venv-s3/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-s3.lock
	@touch $@

test-all: servers ## Also the tests against real servers, and in real containers
	PENSTOCK_TEST_SERVERS=required $(PYTEST)

bench: setup ## Every figure of docs/benchmarks.md, measured again (half an hour)
	$(BIN)/python -m bench

lock: ## Solve the versions anew and write the lock file (hashes, no addresses)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-annotate --no-header --no-emit-index-url \
	  --extra demo --extra triggers --group dev pyproject.toml -o requirements-dev.lock
	echo "$(TORCH)" > requirements-deep.lock
	printf '%s\n' filelock fsspec jinja2 networkx setuptools sympy typing-extensions | $(BIN)/uv pip compile --quiet --universal \
	  --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url -c requirements-dev.lock - \
	  >> requirements-deep.lock
	echo "feast==0.67.0" | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-header --no-emit-index-url - -o requirements-feast.lock
	printf '%s\n' "moto[s3]>=5.2" flask flask-cors | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-annotate --no-header --no-emit-index-url - -o requirements-s3.lock

clean: ## Remove everything that the commands above made
	rm -rf .venv .venv-feast .venv-s3 .mypy_cache .ruff_cache .pytest_cache .hypothesis examples/*/.penstock
