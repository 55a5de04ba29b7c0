# The commands of the project. `make demo` and `make test` set up all they need.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

.DEFAULT_GOAL := help
.PHONY: help demo test test-istio check format bench golden docs lock control-plane clean

help:            ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 16

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock | $(VENV)/bin/python
	$(PIP) --no-deps --no-compile -r requirements.lock
	touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/.runtime
	$(PIP) --no-deps -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

demo: $(VENV)/.runtime    ## the main job on this machine, no cluster needed (ONCE=1: do not keep serving)
	$(BIN)/python -m webhook demo $(if $(ONCE),--once)

test: $(VENV)/.dev        ## all tests, those against a real kube-apiserver too
	$(BIN)/python -m pytest $(ARGS)

test-istio: $(VENV)/.dev  ## the tests through the API server with Istio's real injector, built once (no CI)
	SALLYPORT_ISTIO=1 $(BIN)/python -m pytest tests/api_server $(ARGS)

check: $(VENV)/.dev       ## format, lint, types, imports, generated files fresh
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.generated --check

format: $(VENV)/.dev      ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.dev        ## write what is generated: rule pages, CLI reference, manifests
	$(BIN)/python -m tests.generated

golden: $(VENV)/.dev      ## rewrite the golden files, then show what changed
	SALLYPORT_GOLDEN=write $(BIN)/python -m pytest -q tests/test_golden.py tests/api_server
	git --no-pager diff --stat -- tests/golden

bench: $(VENV)/.dev       ## measure; writes docs/performance.md
	$(BIN)/python -m tests.bench

control-plane: $(VENV)/.dev   ## build the control plane of the tests (once per machine)
	$(BIN)/python -m tests.control_plane.binaries

lock: $(VENV)/.dev        ## resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet -o requirements.lock $(ARGS)
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --quiet -o requirements-dev.lock $(ARGS)

clean:           ## remove what was built here
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
