# make dev · make test · make oracle · make check · make gen · make bench · make bench-engine. The first run makes .venv from requirements.lock.
PYTHON ?= python3
ONCE ?=
CI ?=
ARGS ?=
BIN := .venv/bin
STAMP := .venv/.stamp

.PHONY: help venv dev test oracle faults check lint types contracts wire gen gen-check house bench bench-engine lock clean
help: venv
	@sed -n '1s/^# //p' Makefile

venv: $(STAMP)
	@:
$(STAMP): requirements.lock .ci/bootstrap gen/pyproject.toml sdk/pyproject.toml engine/pyproject.toml server/pyproject.toml worker/pyproject.toml
	@PYTHON="$(PYTHON)" .ci/bootstrap
	@touch $@

dev: venv
	@$(BIN)/stackly-server dev $(if $(filter-out 0,$(ONCE)),--once)

test: venv
	@$(BIN)/python -m pytest -n 2 --dist loadfile

oracle: venv
	@ORACLE_CI=$(CI) ORACLE_VALIDATE=$(if $(CI),,1) ORACLE_ROOTS=$(or $(N),$(if $(CI),12,40)) $(BIN)/python -m pytest -q -n 2 --dist worksteal -m oracle tests/oracle

faults: venv
	@$(BIN)/python -m pytest -m faults

check: lint types contracts wire gen-check house

lint: venv
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: venv
	@$(BIN)/mypy

contracts: venv
	@$(BIN)/lint-imports --no-logo

wire: venv
	@PATH="$(CURDIR)/$(BIN):$$PATH" .ci/wire

gen: venv
	@$(BIN)/python -m generator write

gen-check: venv
	@$(BIN)/python -m generator check

house: venv
	@$(BIN)/python -m pytest -q tests/house

bench: venv
	@$(BIN)/python -m bench

bench-engine: venv
	@$(BIN)/python -m bench.engine $(ARGS)

lock: venv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header requirements.in -o requirements.lock

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
