# Every target sets up what it needs in .venv; nothing outside this folder is touched.
PYTHON ?= python3
JOBS ?= 2
DEMO ?= demo
BIN := .venv/bin

.PHONY: demo test networks networks-if-changed lint bench torture clean
.DELETE_ON_ERROR:

# basicsr imports torch while it is built, so torch comes first and build isolation is off.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch torchvision numpy "setuptools>=77" wheel cython
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[basicsr,realesrgan,spandrel,onnx,demosaicnet,raw,heif,keras,video,preferences,dask,dev]"
	touch $@

demo: .venv/installed
	$(BIN)/buiqa build recipes/demo.toml --out $(DEMO) --jobs $(JOBS)

test: .venv/installed
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

# Full-size burst networks take minutes: .ci/run checks them when something that is listed here has another hash than recorded.
NETWORKS = restorers/networks restorers/adapters/burst_*.py tests/restorers/networks tests/restorers/adapters/test_burst_*.py
NETWORKS_RECORD = tests/restorers/networks.sha

networks: .venv/installed
	$(BIN)/python -m pytest -m slow -n $(JOBS) --dist loadfile tests/restorers
	git ls-files --stage $(NETWORKS) | git hash-object --stdin > $(NETWORKS_RECORD)

networks-if-changed:
	git ls-files --stage $(NETWORKS) | git hash-object --stdin | cmp --silent - $(NETWORKS_RECORD) || $(MAKE) networks

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/installed
	$(BIN)/python -m benchmarks

torture: .venv/installed
	$(BIN)/python -m tests.torture
	$(BIN)/python -m pytest -m slow tests/dataset_builder

clean:
	rm -rf .venv demo build *.egg-info
