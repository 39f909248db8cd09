# Two commands on a fresh machine: `make demo` and `make test`. Each does all it needs.
VENV  ?= .venv
PY    := $(VENV)/bin/python
STAMP := $(VENV)/.stamp-$(shell cat requirements.lock pyproject.toml | sha256sum | cut -c1-16)
CODE  := appliance connectors models fleet sim_plant tests benchmarks docs packaging
ARGS  ?=
SECONDS ?= 600

.PHONY: setup demo test test-fast check fix bench soak deb docs lock mosquitto

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "need python3 >= 3.11 with venv: apt-get install python3 python3-venv"; exit 1; }
	test -x $(PY) || python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	rm -f $(VENV)/.stamp-*; touch $@

demo: setup
	@$(VENV)/bin/wheeltapper demo $(ARGS)

# Under five minutes on two cores: no real processes.
test-fast: setup
	$(PY) -m pytest -q -n 2 --dist worksteal -m "not system and not soak" $(ARGS)

# Everything but the soaks, with the coverage gates. What starts processes waits more
# than it works: three at a time. What measures time runs with nothing beside it.
test: setup mosquitto
	rm -f .coverage .coverage.*
	$(PY) -m coverage run -m pytest -q -n 2 --dist worksteal -m "not system and not soak" $(ARGS)
	$(PY) -m coverage run -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder \
	  -m "system and not soak and not alone" tests/system $(ARGS)
	$(PY) -m coverage run -m pytest -q -m "system and not soak and alone" tests/system $(ARGS)
	$(PY) -m coverage combine --quiet
	$(PY) tests/coverage_gates.py

mosquitto:
	@command -v mosquitto >/dev/null || test -x /usr/sbin/mosquitto || { \
	  if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq mosquitto; \
	  elif sudo -n true 2>/dev/null; then sudo apt-get update -qq && sudo apt-get install -y -qq mosquitto; \
	  else echo "the uplink's tests need a broker: sudo apt-get install mosquitto"; exit 1; fi; }

check: setup
	$(VENV)/bin/ruff format --check $(CODE)
	$(VENV)/bin/ruff check $(CODE)
	$(VENV)/bin/mypy -p appliance -p connectors -p models -p fleet -p sim_plant
	$(VENV)/bin/mypy tests benchmarks docs
	MYPYPATH=packaging $(VENV)/bin/mypy packaging/build_deb.py packaging/closure.py
	$(VENV)/bin/lint-imports
	$(PY) -m docs.generate --check
	$(PY) -m pytest -q tests/unit/systemd

fix: setup
	$(VENV)/bin/ruff format $(CODE)
	$(VENV)/bin/ruff check --fix $(CODE)

bench: setup
	$(PY) -m benchmarks.run $(ARGS)

soak: setup mosquitto
	WHEELTAPPER_SOAK_S=$(SECONDS) $(PY) -m pytest -q -m soak --timeout 0 $(ARGS)

# The gateway's package, with all wheels inside; see packaging/build_deb.py.
deb: setup
	$(PY) packaging/build_deb.py $(ARGS)

docs: setup
	$(PY) -m docs.generate

# Needs uv. Versions and hashes, no addresses.
lock:
	uv pip compile pyproject.toml --all-extras --universal --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --quiet -o requirements.lock
