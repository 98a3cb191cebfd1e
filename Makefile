# Everything runs in .venv, which the targets make by themselves. `make help` lists them.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo dashboard test test-long lint docs-check format docs superset freqtrade down bench soak requirements clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo  ## run the whole thing on a pair of embedded PostgreSQL servers
	@$(BIN)/signal-marts demo $(ARGS)

dashboard: $(VENV)/.demo  ## serve the marts of the demo in a browser (ARGS="--port 8600")
	@$(BIN)/signal-marts dashboard $(ARGS)

# Programs that tests start are compiled once.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test: $(VENV)/.dev  ## run the tests (ARGS="-k name" narrows them)
	@$(PYTEST) -m "not long" $(ARGS)

test-long: $(VENV)/.dev  ## run those that repeat others on more data and on PostgreSQL 16
	@$(PYTEST) -m long $(ARGS)

lint: $(VENV)/.dev  ## check the style of Python, SQL, migrations and the Containerfile, and the types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m tests.rules.sqlfluff_once lint --processes 2 models macros tests/dbt
	@$(BIN)/squawk --config .squawk.toml migrations/*.sql
	@$(BIN)/python -m runner.deploy.migration_rules
	@$(BIN)/hadolint deploy/Containerfile

docs-check: $(VENV)/.dev  ## check descriptions, layers, names, keys and exposures of the models
	@$(BIN)/dbt parse --quiet --target-path target/docs-check
	@failed=0; \
	COLUMNS=200 $(BIN)/dbt-bouncer run || failed=1; \
	$(BIN)/dbt-score lint --manifest target/docs-check/manifest.json >target/docs-check/score || failed=1; \
	cat target/docs-check/score; \
	if grep -q 'ERR .*dbt_score' target/docs-check/score; then \
		echo "a rule of dbt-score ended with an error (ERR), which it counts as held" >&2; failed=1; \
	fi; \
	exit $$failed

format: $(VENV)/.dev  ## mend what the linters can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/python -m tests.rules.sqlfluff_once fix --processes 2 models macros tests/dbt

bench: $(VENV)/.dev  ## print ratios of things measured side by side; passes or fails nothing
	@for bench in benchmarks/bench_*.py; do $(BIN)/python $$bench || exit 1; done

soak: $(VENV)/.dev  ## minutes of watch among kills and rows nobody can use (ARGS="--minutes 10 --seed 1")
	@$(BIN)/python tests/soak/watch_with_kills.py $(ARGS)

docs: $(VENV)/.demo  ## write the lineage site to target/static_index.html
	@$(BIN)/signal-marts docs

superset: $(VENV)/.dev $(VENV)/.superset  ## draw the Superset dashboards on the demo's marts, in a throwaway Superset
	@$(BIN)/python bi/superset/check.py $(VENV)/superset/bin

freqtrade: $(VENV)/.dev $(VENV)/.freqtrade  ## let freqtrade make its tables and trade, adopt it, and compare the profits
	@$(BIN)/python platforms/freqtrade/check.py $(VENV)/freqtrade/bin

down: $(VENV)/.demo  ## stop the embedded servers (their data stays)
	@$(BIN)/signal-marts down

requirements: $(VENV)/.dev  ## resolve and hash the requirement files anew
	@$(BIN)/pip install --quiet uv
	@compile="$(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --upgrade"; \
	$$compile pyproject.toml --custom-compile-command "make requirements" \
		--all-extras --group build --group dev -o requirements/dev.txt && \
	$$compile pyproject.toml --custom-compile-command "make requirements" \
		--extra demo --group build -c requirements/dev.txt -o requirements/demo.txt && \
	$$compile pyproject.toml --custom-compile-command "make requirements" \
		--extra run -c requirements/dev.txt -o requirements/production.txt && \
	$$compile pyproject.toml --custom-compile-command "make requirements" \
		--extra dashboard --extra alerts -c requirements/dev.txt -o requirements/hosting.txt && \
	$$compile pyproject.toml --custom-compile-command "make requirements" \
		--extra worker -c requirements/dev.txt -o requirements/worker.txt && \
	$$compile --custom-compile-command "make requirements" \
		--group build -c requirements/dev.txt -o requirements/build.txt

clean:  ## stop the servers; remove their data, the environment and the build output
	@if [ -x $(BIN)/signal-marts ]; then $(BIN)/signal-marts down --delete-data; fi
	@rm -rf $(VENV) target logs .signal-marts

# --- the environment -------------------------------------------------------------------------

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/pip
	@echo "installing the development environment into $(VENV)" >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(VENV)/.demo $@

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(BIN)/pip
	@echo "installing the demo's environment into $(VENV)" >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/demo.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.superset: bi/superset/requirements.txt | $(BIN)/pip
	@echo "installing Superset into $(VENV)/superset" >&2
	@sh .ci/make-venv $(VENV)/superset $(PYTHON)
	@$(VENV)/superset/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r bi/superset/requirements.txt
	@touch $@

$(VENV)/.freqtrade: platforms/freqtrade/requirements.txt | $(BIN)/pip
	@echo "installing freqtrade into $(VENV)/freqtrade" >&2
	@sh .ci/make-venv $(VENV)/freqtrade $(PYTHON)
	@$(VENV)/freqtrade/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r platforms/freqtrade/requirements.txt
	@touch $@

$(VENV)/.sqlmesh: benchmarks/stock_sqlmesh/requirements.txt | $(BIN)/pip
	@echo "installing SQLMesh into $(VENV)/sqlmesh" >&2
	@sh .ci/make-venv $(VENV)/sqlmesh $(PYTHON)
	@$(VENV)/sqlmesh/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r benchmarks/stock_sqlmesh/requirements.txt
	@touch $@

$(BIN)/pip:
	@sh .ci/make-venv $(VENV) $(PYTHON)
