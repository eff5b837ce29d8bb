# Every target sets up what it needs in .venv; nothing outside this folder is touched.
PYTHON ?= python3
JOBS ?= 2
DEMO ?= demo
BIN := .venv/bin

.PHONY: demo test slow networks networks-if-changed lint docs bench torture lock advisories clean
.DELETE_ON_ERROR:

# Every package is one whose hash `requirements/` states. basicsr imports torch while it is built, so torch comes first and build isolation is
# off; the build of torch that was found says whether it wants CUDA's packages.
LOCKED = $(BIN)/pip install --quiet --require-hashes --no-deps --no-build-isolation --requirement
.venv/installed: pyproject.toml requirements/first.txt requirements/cuda.txt requirements/all.txt
	$(PYTHON) -m venv .venv
	$(LOCKED) requirements/first.txt
	if $(BIN)/pip show torch | grep --quiet '^Requires:.*cuda'; then $(LOCKED) requirements/cuda.txt; fi
	$(LOCKED) requirements/all.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/pip check
	touch $@

# The packages and hashes of `requirements/` anew, after a change of pyproject.toml or constraints.txt. basicsr is built for it, by .venv.
lock: .venv/installed
	$(PYTHON) -m venv .venv/lock
	.venv/lock/bin/pip install --quiet uv
	VIRTUAL_ENV=$(CURDIR)/.venv PATH=$(CURDIR)/.venv/lock/bin:$$PATH $(PYTHON) requirements/lock.py

# Known vulnerabilities of the locked packages, where PyPI's advisories can be reached.
advisories:
	$(PYTHON) -m venv .venv/advisories
	.venv/advisories/bin/pip install --quiet pip-audit
	.venv/advisories/bin/pip-audit --require-hashes --disable-pip --requirement requirements/all.txt

demo: .venv/installed
	$(BIN)/buiqa build recipes/demo.toml --out $(DEMO) --jobs $(JOBS)

test: .venv/installed
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

NETWORK_TESTS = tests/restorers/networks $(wildcard tests/restorers/adapters/test_burst_*.py)

# Tests that take more than two seconds of processor time each, but for the networks; .ci/run runs them after the suite.
slow: .venv/installed
	$(BIN)/python -m pytest -m slow -n $(JOBS) --dist loadfile $(NETWORK_TESTS:%=--ignore %) tests

# Full-size burst networks take minutes: .ci/run checks them when something that is listed here has another hash than recorded.
NETWORKS = requirements/first.txt restorers/networks restorers/adapters/burst_*.py $(NETWORK_TESTS)
NETWORKS_RECORD = tests/restorers/networks.sha

networks: .venv/installed
	$(BIN)/python -m pytest -m slow -n $(JOBS) --dist loadfile $(NETWORK_TESTS)
	git ls-files --stage $(NETWORKS) | git hash-object --stdin > $(NETWORKS_RECORD)

networks-if-changed:
	git ls-files --stage $(NETWORKS) | git hash-object --stdin | cmp --silent - $(NETWORKS_RECORD) || $(MAKE) networks

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The documentation as a site, its notebooks executed: build/site/index.html.
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 JUPYTER_CONFIG_DIR=docs/notebooks $(BIN)/mkdocs build --strict

bench: .venv/installed
	$(BIN)/python -m benchmarks

torture: .venv/installed
	$(BIN)/python -m tests.torture
	$(BIN)/python -m tests.load
	$(BIN)/python -m pytest -m slow tests/dataset_builder/work

clean:
	rm -rf .venv demo build *.egg-info
