# Every target works on a fresh clone: the environments are built where they are missing.
PYTHON ?= python3
PORT ?= 8000
PEEWEES = 3.17.0 3.19.0 4.3.0 newest
# Those of 3.10 to 3.14 that start; a version manager's stand-in may be on the path and not work.
PYTHONS = $(or $(foreach v,3.10 3.11 3.12 3.13 3.14,$(shell python$(v) -c '' 2>/dev/null && echo python$(v))),python3)

# It is built from source, and needs libraries that a machine may not have.
NO_MYSQLCLIENT = "left out: tests through mysqlclient. To run them: apt-get install gcc libmariadb-dev pkg-config python3-dev"

OLDEST = .venvs/$(firstword $(PYTHONS))-peewee-$(firstword $(PEEWEES))
NEWEST = .venvs/$(lastword $(PYTHONS))-peewee-$(lastword $(PEEWEES))
BIN = .venv/bin
APP = .venv/.app
DEV = .venv/.dev

.NOTPARALLEL:
.PHONY: help migrate serve test lint typecheck check test-matrix matrix-ends matrix-oldest matrix-newest matrix-environments bench chaos clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' Makefile

migrate: $(APP) ## Migrate the example's newest models into kagent.db, or into DATABASE_URL=...
	@DATABASE_URL="$${DATABASE_URL:-sqlite:///kagent.db}" $(BIN)/peewee-automigrate migrate examples.kagent.v3

serve: $(APP) ## Serve the example, migrated at start, on PORT=8000, from kagent.db or DATABASE_URL=...
	@$(BIN)/flask --app examples.kagent.app run --port $(PORT)

test: $(DEV) ## Run the tests on SQLite, and on a PostgreSQL and a MariaDB of their own
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

lint: $(DEV) ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

typecheck: $(DEV) ## Check the types, strictly
	$(BIN)/mypy

check: lint typecheck test ## Lint, typecheck and test

test-matrix: ## Test all versions of Peewee and Python; one: test-matrix-peewee-3.17.0, test-matrix-python3.10
	@$(MAKE) --no-print-directory --keep-going $(PEEWEES:%=test-matrix-peewee-%) $(PYTHONS:%=test-matrix-%)

matrix-ends: matrix-oldest matrix-newest ## Test both ends of the matrix

matrix-oldest: $(OLDEST)/.dev ## Test the oldest Peewee on the oldest Python found
	$(call test_in,$(OLDEST))

matrix-newest: $(NEWEST)/.dev ## Test the newest Peewee on the newest Python found
	$(call test_in,$(NEWEST))

matrix-environments: $(OLDEST)/.dev $(NEWEST)/.dev

bench: $(DEV) ## Measure against hand-written SQL and Peewee's own tools
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.noop
	$(BIN)/python -m benchmarks.add_column
	$(BIN)/python -m benchmarks.first_run

chaos: $(DEV) ## Run many processes, kill them anywhere, block them; print what others waited
	$(BIN)/python -m chaos

clean: ## Remove all that the other targets made
	rm -rf .venv .venvs build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache kagent.db*
	find . -name __pycache__ -prune -exec rm -rf {} +

test-matrix-peewee-%: .venvs/$(notdir $(PYTHON))-peewee-%/.dev
	$(call test_in,$(dir $<))

test-matrix-python%: .venvs/python%-peewee-newest/.dev
	$(call test_in,$(dir $<))

# $(1): the environment. What takes the longest depends least on versions: `make test` runs it.
define test_in
	$(1)/bin/python -m pytest -q -m "not slow"
endef

# The name says which Python and which Peewee, a version or "newest".
.PRECIOUS: .venvs/%/.dev
.venvs/%/.dev: setup.cfg pyproject.toml
	$(patsubst $(notdir $(PYTHON)),$(PYTHON),$(firstword $(subst -peewee-, ,$*))) -m venv $(@D)
	$(@D)/bin/python -m pip install -q -U -e '.[dev]' 'peewee$(patsubst %,==%,$(filter-out newest,$(lastword $(subst -peewee-, ,$*))))'
	@$(@D)/bin/python -m pip install -q mysqlclient >/dev/null 2>&1 || echo $(NO_MYSQLCLIENT)
	@touch $@

$(APP): setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -e '.[postgres,psycopg,mysql,flask]'
	@touch $@

$(DEV): $(APP)
	$(BIN)/python -m pip install -q -e '.[dev]'
	@$(BIN)/python -m pip install -q mysqlclient >/dev/null 2>&1 || echo $(NO_MYSQLCLIENT)
	@touch $@
