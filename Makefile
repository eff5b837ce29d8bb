# Every target sets up what it needs in .venv; nothing outside this folder is touched.
PYTHON ?= python3
JOBS ?= 2
DEMO ?= demo
BIN := .venv/bin

.PHONY: demo test lint bench torture clean
.DELETE_ON_ERROR:

# basicsr imports torch while it is built, so torch comes first and build isolation is off.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch torchvision numpy "setuptools>=77" wheel cython
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable ".[basicsr,realesrgan,spandrel,onnx,demosaicnet,raw,heif,video,preferences,dask,dev]"
	touch $@

demo: .venv/installed
	$(BIN)/buiqa build recipes/demo.toml --out $(DEMO) --jobs $(JOBS)

test: .venv/installed
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/installed
	$(BIN)/python -m benchmarks

torture: .venv/installed
	$(BIN)/python -m tests.torture

clean:
	rm -rf .venv demo build *.egg-info
