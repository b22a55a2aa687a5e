# Needs only Python 3.11 or newer. Everything else goes into .venv, from pinned and hashed requirements.

PYTHON ?= python3
VENV   ?= .venv
# Debian keeps nginx where only root looks.
export PATH := $(PATH):/usr/sbin

BIN := $(VENV)/bin
# Wheels only: building a source archive would fetch build tools that nobody pinned.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(PIP) install --require-hashes --only-binary :all:
INSTALL_ROLLOUT := $(PIP) install --no-deps --no-build-isolation --editable .

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench setup format messages lock clean nginx

help:  ## This list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/runtime  ## Watch a whole campaign in about two minutes, on servers of its own
	@$(BIN)/rollout demo

# Tests that kill or starve servers want the machine to themselves.
test: setup nginx lint  ## Every check: lint, types, import rules, tests, documentation
	@$(BIN)/pytest -n auto -m "not fault" $(PYTEST)
	@$(BIN)/pytest -m fault $(PYTEST)

lint: setup  ## Style, types and import rules only
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup  ## Speeds, as ratios to a floor measured in the same run
	@$(BIN)/python -m bench

setup: $(VENV)/dev  ## Make .venv with the tools of development

format: setup  ## Put the code into shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

messages: setup  ## Carry texts that changed in the templates into the message catalogues
	@$(BIN)/pybabel --quiet extract --mapping-file pyproject.toml --ignore-dirs ".*" --keyword usual \
	  --no-location --omit-header --no-wrap --output-file $(CATALOGUES)/notices.pot .
	@for language in $(basename $(notdir $(wildcard $(CATALOGUES)/*.po))); do \
	  $(BIN)/pybabel --quiet update --no-fuzzy-matching --ignore-obsolete --omit-header --no-wrap \
	    --locale $$language --input-file $(CATALOGUES)/notices.pot \
	    --output-file $(CATALOGUES)/$$language.po || exit 1; done

lock: setup  ## Pin the requirements again (LOCK=--upgrade takes the newest)
	@$(PIN) requirements.txt pyproject.toml
	@$(PIN) requirements-build.txt --group build -c requirements.txt
	@$(PIN) requirements-dev.txt pyproject.toml --group dev -c requirements.txt -c requirements-build.txt

clean:  ## Remove .venv and everything else that was made here
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

CATALOGUES := templates/notices/_locale

# Pins for every platform and Python at once, with hashes and without download addresses.
PIN = $(BIN)/uv pip compile $(LOCK) --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" --output-file

# The stamps: what is installed is older than none of the files that say what to install.
$(VENV)/runtime: requirements.txt requirements-build.txt pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV) ..."
	@$(INSTALL) -r requirements.txt -r requirements-build.txt
	@$(INSTALL_ROLLOUT)
	@touch $@

$(VENV)/dev: requirements-dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing into $(VENV), with the tools of development ..."
	@$(INSTALL) -r requirements-dev.txt
	@$(INSTALL_ROLLOUT)
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Rollout needs Python 3.11 or newer. Name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)

# Tests of the nginx profile need a real nginx. Root gets it from Debian; others are told.
nginx:
	@command -v nginx >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends nginx-light >/dev/null; \
	} || { \
	  echo "nginx is missing, so its tests cannot run. On Debian and Ubuntu: apt install nginx-light" >&2; \
	  [ "$$CI" != true ]; }
