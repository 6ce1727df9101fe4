# Every target is a line of `make help`; the work behind most of them is the command `football`.

.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/sh

BIN := .venv/bin
# `make demo` may be typed in a shell of another virtual environment.
unexport VIRTUAL_ENV
# Why these: deploy/installation.py, `PATIENT_THREADS`.
export OMP_WAIT_POLICY := PASSIVE
export GOMP_SPINCOUNT := 1000
export OPENBLAS_NUM_THREADS := 1

# Who gets in and what they may do: nearly every line of it is run by the tests, and of its branches alone no fewer.
IDENTITY := serving/identity/*,serving/pages/login.py,$(\
	)serving/routes/auth.py,serving/routes/keys.py,serving/routes/sessions.py,serving/routes/users.py,$(\
	)serving/store/accounts.py,serving/store/endings.py,serving/store/keys.py,serving/store/pins.py,serving/store/sessions.py

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: ## Make or update .venv from uv.lock (the other targets do this by themselves)
	@deploy/bootstrap

# --- running it

.PHONY: demo
demo: install ## Run the whole platform on simulated matches, show the forecasts, leave it running
	@$(BIN)/football demo

.PHONY: run
run: install ## The same on real matches (FOOTBALL_DATA_URL, COMPETITIONS, SEASONS, AS_OF: see README)
	@$(BIN)/football run

.PHONY: stop
stop: install ## Stop everything that runs in the background
	@$(BIN)/football stop

.PHONY: status
status: install ## Show what runs, and where it answers
	@$(BIN)/football status

.PHONY: migrate
migrate: install ## Bring the database to its newest shape
	@$(BIN)/football migrate

# --- judging it

TESTED := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 25 --durations-min 5 --cov

.PHONY: test
test: install ## Run every test on embedded services, with the gates of coverage: of everything, and of who gets in
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then $(MAKE) --no-print-directory system-deps; fi
	@# Two processes on any machine: each has servers of its own. By file, for groups go unseen with pytest 9.2 (pytest-xdist#1386).
	@# The service first, where coverage follows greenlets (see pyproject.toml); a failure there does not spare the others.
	@FOLLOWED=greenlet $(TESTED) --cov-report= --cov-fail-under=0 tests/serving; service=$$?; \
	$(TESTED) --cov-append --cov-report=term --ignore=tests/serving && exit $$service
	@$(BIN)/coverage report --include='$(IDENTITY)' --fail-under=95
	@$(BIN)/coverage json --quiet --include='$(IDENTITY)' --fail-under=0 -o - | $(BIN)/python -m deploy.branches 95

.PHONY: check
check: install ## Style, types, import rules, SQL, dbt project, lock file
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/dbt --quiet parse --project-dir dbt_project --profiles-dir dbt_project
	cd dbt_project && ../$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar models tests
	$(BIN)/python -m deploy.migrations.lint
	PATH="$$PATH:$(CURDIR)/.local/uv/bin" uv lock --check
	@echo "All checks passed."

.PHONY: backtest
backtest: install ## Forecast past seasons by models that saw only earlier ones, beside the closing odds (FROM, TO, SET, OUT, AT_MOST)
	@$(BIN)/football backtest

.PHONY: bench-pipeline
bench-pipeline: ## Time and peak memory of each stage on the full corpus, and the ratio to the floor
	@deploy/bootstrap bench
	@$(BIN)/football bench-pipeline

.PHONY: fuzz
fuzz: install ## Over ten thousand requests made from the OpenAPI document, as many in bytes that no client sends: none may break the service or contradict the document (CASES)
	@FUZZ_CASES=$(or $(CASES),12000) $(BIN)/python -m pytest --quiet --capture=no tests/serving/test_fuzz.py

.PHONY: attack
attack: install ## Stolen refresh tokens, times of refused logins, a flood of guesses, against two worker processes (ROUNDS)
	@ATTACK_ROUNDS=$(or $(ROUNDS),100) $(BIN)/python -m pytest --quiet --capture=no tests/serving/test_attacks.py

.PHONY: drill-celery
drill-celery: install ## A backtest and a backfill on two Celery workers, one killed in the middle of each: the result is one process's
	@DRILL=1 $(BIN)/python -m pytest --quiet tests/machines/test_celery.py

.PHONY: bench-serving
bench-serving: install ## The service beside its ceiling, FastAPI and mlflow models serve: rates, times, memory (SECONDS, WORKERS, SOAK in minutes)
	@$(BIN)/football bench-serving --seconds $(or $(SECONDS),30) --workers $(or $(WORKERS),1) --soak $(or $(SOAK),0)

.PHONY: soak-serving
soak-serving: install ## The same with a soak of SOAK minutes, ten unless it is said
	@$(MAKE) --no-print-directory bench-serving SOAK=$(or $(SOAK),10)

.PHONY: db-report
db-report: install ## What the database counted: slow statements, unused indexes, dead rows, connections, and each role's limit
	@$(BIN)/football db-report

.PHONY: docs
docs: install ## Build the documentation site of the edition in service: warehouse, data quality, texts and the API's reference
	@$(BIN)/football reference
	@$(BIN)/football docs

.PHONY: system-deps
system-deps: ## Install the distribution's programs that some tests start (root and apt)
	@packages=$$(sed 's/#.*//' deploy/system-packages.txt | xargs); \
	missing=; for package in $$packages; do \
		dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; fi
