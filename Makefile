# All that a newcomer needs is `make audit` and `make test`; each does its own set-up first, and only once.
#
#   make audit [CAPTURE=path] [ARGS="--reveal ..."]   audit a capture (the sample without CAPTURE)
#   make test  [ARGS="-k words"]                      everything the tests need, then all of them
#   make fuzz KIND=har [RUNS=10000]                  fuzz a kind of input down the whole road (tests/fuzz)
#   make check                                        lint, types, the import rule, the fast tests
#   make PYTHON=/path/to/python3.13 ...               the Python to use, where the one found is not wanted

.POSIX:
.SUFFIXES:
.PHONY: audit test check fuzz setup lock format clean help

CAPTURE = captures/demo-shop
ARGS =
PYTHON =
KIND = har
RUNS = 10000
BIN = .venv/bin
export CAPTURE PYTHON

help:
	@sed -n 's/^#  *make/make/p' Makefile

# The report's path is the last line on standard output; all else of the set-up is on standard error.
audit:
	@scripts/setup.sh runtime
	@$(BIN)/lintas audit $(ARGS) -- "$$CAPTURE"

test:
	@scripts/setup.sh dev
	@scripts/browser.sh
	@scripts/lab.sh
	@$(BIN)/python -m pytest $(ARGS)

check:
	@scripts/setup.sh dev
	$(BIN)/ruff check --output-format concise
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -m "not slow and not browser" $(ARGS)

fuzz:
	@scripts/setup.sh dev
	@.cache/uv/bin/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/fuzz.txt
	@$(BIN)/python -m tests.fuzz $(KIND) --runs $(RUNS) $(ARGS)

setup:
	@scripts/setup.sh dev
	@scripts/browser.sh
	@scripts/lab.sh

# Puts code into the one form; ruff says what it cannot put right.
format:
	@scripts/setup.sh dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Writes requirements/ again from pyproject.toml; UPGRADE=1 takes the newest of everything.
lock:
	@scripts/setup.sh dev
	@scripts/lock.sh

# Removes what make made, audits and captures excepted.
clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
