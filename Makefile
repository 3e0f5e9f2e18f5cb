# Every target does its own set-up: Python >= 3.11, git and make are enough.
# Run a target again and nothing is installed unless pyproject.toml or constraints.txt changed.

# The first of these that is new enough and can make a virtual environment; or say make PYTHON=...
# Not the newest first: the oldest have ready-built wheels of everything, the test Redis included.
CANDIDATES := python3.12 python3.11 python3.13 python3.14 python3
PYTHON ?= $(shell for name in $(CANDIDATES); do \
	$$name -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$name && break; done)

BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
INSTALL = $(BIN)/python -m pip install -qq --constraint constraints.txt
INPUTS := pyproject.toml constraints.txt

# Every test process starts its own Postgres, Redis and S3: more than four pay more than they give.
PYTEST_JOBS ?= logical
PYTEST_ARGS ?=
DEMO_ARGS ?=
ONLY ?=
QUICK ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check lint docs bench format constraints clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/ready-demo ## Run the energy atlas on a real worker; DEMO_ARGS='--stations 3' makes it small
	$(BIN)/rootcellar demo $(DEMO_ARGS)

test: .venv/ready-test ## Run all tests; PYTEST_ARGS='-k lease' picks some
	$(BIN)/pytest --numprocesses $(PYTEST_JOBS) --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

check: lint docs ## Check style, types, who imports whom, spelling and docs

lint: .venv/ready-check ## As check, without the docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

docs: .venv/ready-check ## Build the docs into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: .venv-bench/ready .venv-awscli/ready .venv-lineage/ready ## Measure beside the peers; ONLY=download-2g,hit-one picks, QUICK=1 is small
	.venv-bench/bin/python -m benchmarks --only '$(ONLY)' $(if $(QUICK),--quick)

format: .venv/ready-check ## Format the code and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Resolves afresh, without the present pins, in an environment of its own.
constraints: ## Pin anew everything that the package, its extras, tests and docs need
	$(MAKE) --no-print-directory .venv/ready-pip
	rm -rf .venv/fresh && $(BIN)/python -m venv .venv/fresh
	.venv/fresh/bin/python -m pip install -qq --upgrade 'pip>=25.1'
	.venv/fresh/bin/python -m pip install -qq --editable . --group dev --group docs
	@{ echo '# Every version that tests and demo are known to work with. Made by: make constraints'; \
	   .venv/fresh/bin/python -m pip freeze --all --exclude pip --exclude rootcellar; } > .venv/pins
	@! grep -nE '@|://|^-' .venv/pins || { echo 'A pin names a place; not written.' >&2; exit 1; }
	mv .venv/pins constraints.txt && rm -rf .venv/fresh

clean: ## Remove the environment and everything that was built
	rm -rf .venv .venv-bench .venv-awscli .venv-lineage build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	rm -f .coverage .coverage.*

# What each target needs, and no more: the demo should not wait for the tests' tools.
# The larger sets hold the smaller ones, so that targets may follow each other in any order.
.venv/ready-pip:
	@test -n "$(PYTHON)" || { \
		echo 'Python 3.11 or newer with its venv module is needed, and was not found.' >&2; \
		echo 'On Debian: apt-get install python3 python3-venv; elsewhere: make PYTHON=/path/to/python' >&2; \
		exit 1; }
	@echo 'Making .venv (once) ...'
	@$(PYTHON) -m venv .venv
	@# Debian ships a pip that knows no dependency groups.
	@$(BIN)/python -m pip install -qq --upgrade 'pip>=25.1'
	@touch $@

.venv/ready-demo: .venv/ready-pip $(INPUTS)
	@echo 'Installing what the demo needs (once) ...'
	@$(INSTALL) --editable '.[demo]'
	@touch $@

.venv/ready-test: .venv/ready-pip $(INPUTS)
	@echo 'Installing what the tests need (once) ...'
	@$(INSTALL) --editable . --group dev
	@touch .venv/ready-demo $@

.venv/ready-check: .venv/ready-pip $(INPUTS)
	@echo 'Installing what the checks need (once) ...'
	@$(INSTALL) --editable . --group dev --group docs
	@touch .venv/ready-demo .venv/ready-test $@

# Apart from .venv: the peers want much, and the AWS command line another botocore.
.venv-bench/ready: $(INPUTS) benchmarks/requirements.txt
	@echo 'Installing what the benchmarks need (once) ...'
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install -qq --upgrade 'pip>=25.1'
	@.venv-bench/bin/python -m pip install -qq --constraint constraints.txt \
		--editable '.[s3,redis,postgres,blake3,demo]' --requirement benchmarks/requirements.txt
	@touch $@

.venv-awscli/ready: benchmarks/requirements-awscli.txt
	@$(PYTHON) -m venv .venv-awscli
	@.venv-awscli/bin/python -m pip install -qq --requirement benchmarks/requirements-awscli.txt
	@touch $@

# Without them the figures of ours are had all the same: not every Python has ml-metadata.
.venv-lineage/ready: benchmarks/requirements-lineage.txt
	@$(PYTHON) -m venv .venv-lineage
	@-.venv-lineage/bin/python -m pip install -qq --requirement benchmarks/requirements-lineage.txt
	@touch $@
