# Everything begins here: `make` lists what there is. What a target needs and the machine lacks is installed first.

.DEFAULT_GOAL := help
.PHONY: help run test chaos check docs bench generate lock clean

python := .venv/bin/python
# The programs of .venv's own Node, if it has one, come first for the tests.
with_node := PATH="$$PWD/.venv/node/bin:$$PATH"
packages := server handlers sql client_sdk bench
# A worker for each core, each with a database of its own; ARGS="-n 0" does without, to see what tests print.
workers := -n auto --maxprocesses 4 --dist worksteal

help: ## say what each target does
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

run: ## install what is missing and serve at http://localhost:8080; Ctrl-C ends it (options: config.yaml)
	@scripts/install.sh run
	@exec $(python) -m server run

test: ## run every test; ARGS="-k sentence -x" are pytest's
	@scripts/install.sh test
	@$(with_node) $(python) -m pytest $(workers) $(ARGS)

chaos: ## break everything for five minutes while people chat, and say what was lost (ARGS="--seconds 60 --seed 7")
	@scripts/install.sh test
	@RACES=200 $(python) -m pytest -q --show-capture=no tests/attack/test_races.py
	@$(python) -m tests.chaos $(ARGS)

check: ## style, types, and who may import whom
	@scripts/install.sh check
	@scripts/check.sh $(packages)

docs: ## build the documentation, to be read from build/docs/index.html
	@scripts/install.sh check
	@$(python) -m sphinx -qEW --keep-going docs build/docs
	@echo "The documentation is at file://$$PWD/build/docs/index.html"

bench: ## measure how fast it is, in half an hour; `make bench-ack` one figure alone (all: ls bench/figures)
	@scripts/install.sh bench
	@$(with_node) $(python) -m bench $(ARGS)

bench-%:
	@scripts/install.sh bench
	@$(with_node) $(python) -m bench $* $(ARGS)

generate: ## write the event reference, the SDK's types and the web client's anew, from the code
	@scripts/install.sh check
	@$(python) -m server.reference

lock: ## bring the locked versions of all Python packages up to date
	@scripts/install.sh check
	@scripts/lock.sh

clean: ## remove what was installed here (.venv, node_modules) and caches; the data folder stays
	@rm -rf .venv build/docs bench/peers/node/node_modules tests/stock/node_modules tests/asyncapi/node_modules web/node_modules server/demo/portraits/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
