# Every target explains itself: `make help`.

PYTHON ?= python3
PORT ?= 8000
ARGS ?=
N ?=
RATE ?=
SECONDS ?=
ACCOUNTS ?=
INTENTS ?=
SEED ?=
# Test processes of a run. Tests wait more than they compute, so more than there are cores.
JOBS ?= 3
TEST_DATABASE_URL ?= mysql://root@127.0.0.1:3306/tandem
# The first of JOBS numbered databases.
TEST_REDIS_URL ?= redis://127.0.0.1:6379/12

BIN := .venv/bin
RUN := $(BIN)/python
# One test at a time to whoever is free: the long ones come first (tests/conftest.py).
PYTEST = $(RUN) -m pytest --numprocesses $(JOBS) --maxschedchunk 1
UV := $(shell command -v uv 2>/dev/null)
ifdef UV
# Compiled once here, instead of by every process at its first start.
INSTALL := $(UV) pip install --quiet --compile-bytecode --python $(RUN) --require-hashes
else
# An environment that uv made has no pip.
INSTALL := $(RUN) -c 'import pip' 2>/dev/null || $(RUN) -m ensurepip >/dev/null; \
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes
endif
LOCK = $(UV) pip compile --quiet --generate-hashes --no-header --universal --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-reset smoke test test-services lint format messages vendor-assets lock bench-fanout bench-leader bench-streams leader-demo bench-resolve bench-webhook bench-signals bench-kill-switch bench-paper chaos stream-storm crash clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1m%-17s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- install: each stamp is newer than the lock file that it installed -----------------------

$(RUN):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; choose one with PYTHON=python3.12"; exit 1; }
ifdef UV
	$(UV) venv --quiet --python $(PYTHON) .venv
else
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments (on Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv .venv
endif

.venv/.base: requirements/base.txt | $(RUN)
	@echo 'installing requirements/base.txt'
	@$(INSTALL) -r requirements/base.txt
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.base
	@echo 'installing requirements/dev.txt'
	@$(INSTALL) -r requirements/dev.txt
	@touch $@

.venv/.mysql: requirements/mysql.txt .venv/.base
	@$(RUN) -c 'import MySQLdb' 2>/dev/null || pkg-config --exists libmariadb 2>/dev/null || \
		pkg-config --exists mysqlclient 2>/dev/null || \
		{ echo "mysqlclient is built here and needs a compiler and the client headers"; \
		  echo "(on Debian: apt install build-essential pkg-config default-libmysqlclient-dev)"; exit 1; }
	@echo 'installing requirements/mysql.txt'
	@$(INSTALL) -r requirements/mysql.txt
	@touch $@

setup: .venv/.base .venv/.dev ## Install into .venv all that running and testing need (uv if present, else pip)

# --- run -------------------------------------------------------------------------------------

demo: .venv/.base ## Start everything with invented firms, followers and a trading leader (PORT=8000); Ctrl-C ends it
	@$(RUN) manage.py demo --port $(PORT) $(ARGS)

demo-reset: ## Forget the demo: its database, Valkey and paper exchange under var/
	@$(RUN) manage.py demo --reset

smoke: .venv/.base ## One signal to 60 followers on free ports; compare our books with the exchange's
	@$(RUN) manage.py smoke $(ARGS)

# --- check -----------------------------------------------------------------------------------

# Each process makes a database of its own, from the models; tests/test_migrations.py compares it with
# one that migrations made.
test: .venv/.dev ## Run the tests on SQLite and private Valkeys (ARGS="tests/processes -k restart" JOBS=3)
	$(PYTEST) --nomigrations $(ARGS)

test-services: .venv/.dev .venv/.mysql ## Run the tests on MariaDB and Redis that are there (TEST_DATABASE_URL=, TEST_REDIS_URL=)
	@$(RUN) -m tests.services $(TEST_DATABASE_URL) $(TEST_REDIS_URL)
	DATABASE_URL=$(TEST_DATABASE_URL) REDIS_URL=$(TEST_REDIS_URL) $(PYTEST) --nomigrations --servers-only $(ARGS)

lint: .venv/.dev ## ruff, mypy, import-linter, migrations, deployment check, translations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(RUN) manage.py makemigrations --check --dry-run
	@$(RUN) -m tests.deploy_check
	@$(RUN) -m tests.messages --check

format: .venv/.dev ## Format the code and fix what can be fixed by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

messages: .venv/.dev ## Collect the texts and compile the translations (needs gettext); commit both
	$(RUN) manage.py makemessages --locale zh_Hans --ignore .venv --ignore tests --ignore var \
		--no-wrap --no-obsolete --add-location file
	$(RUN) -m tests.messages

vendor-assets: ## Fetch the pinned browser libraries into static/vendor (needs npm); commit them
	@deploy/vendor-assets

lock: ## Resolve requirements/*.in into *.txt with hashes (needs uv; ARGS=--upgrade)
ifndef UV
	@echo "make lock needs uv"; exit 1
endif
	$(LOCK) requirements/base.in -o requirements/base.txt
	$(LOCK) requirements/mysql.in -o requirements/mysql.txt
	$(LOCK) requirements/dev.in -o requirements/dev.txt

# --- measure ---------------------------------------------------------------------------------

bench-fanout: .venv/.dev ## One webhook to N=1000 accounts through the real stack, and the same orders more barely (DATABASE_URL= an empty one)
	@$(RUN) -W ignore -m tests.bench.fanout --followers $(or $(N),1000) $(ARGS)

bench-resolve: .venv/.dev ## How long N=200 orders of unclear outcome stay so while half of all look-ups fail
	@$(RUN) -W ignore -m tests.bench.resolve --followers $(or $(N),200) $(ARGS)

bench-webhook: .venv/.dev ## Signed signals at RATE=50 a second for SECONDS=60 with the exchange down, then with Redis down
	@$(RUN) -W ignore -m tests.bench.webhook --rate $(or $(RATE),50) --seconds $(or $(SECONDS),60) $(ARGS)

bench-signals: .venv/.dev ## How many small signals a second come to their end, each with N=3 followers
	@$(RUN) -W ignore -m tests.bench.signals --followers $(or $(N),3) $(ARGS)

bench-kill-switch: .venv/.dev ## The kill switch pressed in the middle of a fan-out to N=2000: what still left, by the exchange's ledger
	@$(RUN) -W ignore -m tests.bench.kill_switch --followers $(or $(N),2000) $(ARGS)

bench-leader: .venv/.dev ## From a leader's fill to the acknowledgement of FOLLOWERS=100, through streamer and stack
	@$(RUN) -W ignore -m tests.bench.leader --followers $(or $(FOLLOWERS),100) $(ARGS)

leader-demo: .venv/.dev ## A leader's scripted day; the copies of FOLLOWERS=500 must equal what is computed, to the lot
	@$(RUN) -W ignore -m tests.bench.leader --script --followers $(or $(FOLLOWERS),500) $(ARGS)

bench-streams: .venv/.dev ## What N=1000 private streams cost one streamer, idle and while accounts trade
	@$(RUN) -W ignore -m tests.bench.streams --accounts $(or $(N),1000) $(ARGS)

bench-plan: .venv/.dev ## Processor time of deciding for N=1000 followers with every rule on, without I/O
	@$(RUN) -W ignore -m tests.bench.plan --followers $(or $(N),1000) $(ARGS)

plans-check: .venv/.dev ## N=100000 random plans against the paper exchange's own checks of size, step and price
	@$(RUN) -W ignore -m tests.bench.plans --count $(or $(N),100000) --seed $(or $(SEED),1) $(ARGS)

bench-paper: .venv/.dev ## How many orders a second the paper exchange itself can take
	@$(RUN) -m tests.bench.paper $(ARGS)

# --- break -----------------------------------------------------------------------------------

chaos: .venv/.dev ## Random signals while workers die and the exchange fails; compare the books (INTENTS=10000, SEED=, DATABASE_URL= an empty one)
	@$(RUN) -W ignore -m tests.chaos --intents $(or $(INTENTS),10000) --seed $(or $(SEED),0) $(ARGS)

stream-storm: .venv/.dev ## Leaders and clients trade for SECONDS=600 while streams and streamers fail; compare the books (SEED=, DATABASE_URL= an empty one)
	@$(RUN) -W ignore -m tests.storm --seconds $(or $(SECONDS),600) --seed $(or $(SEED),0) $(ARGS)

crash: .venv/.dev ## A fall of 40 % within SECONDS=60 on ACCOUNTS=200 with different limits: each must end as set (ARGS=--rows, DATABASE_URL= an empty one)
	@$(RUN) -W ignore -m tests.crash --accounts $(or $(ACCOUNTS),200) --seconds $(or $(SECONDS),60) $(ARGS)

clean: ## Remove caches and state; keeps .venv
	rm -rf var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
