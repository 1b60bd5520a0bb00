# make demo    the main job: coarsen a body, build HGN on it, train and evaluate it
# make test    the whole test suite
# make boundscheck  the tests of compiled code, every index checked
# make campaign [EXAMPLES=1000]  random graphs, damaged files and killed writers; prints what it tried
# make coverage      branches of multiscale_gcn that the tests reach
# make mutants       break the library in small ways, and see that a test notices
# make notebook | lint | format | docs | look | wheel-check | clean
#
# Variables: PYTHON (which Python makes the environment), VENV (where it stands),
# CONSTRAINTS (empty: take any versions that pyproject.toml allows).

PYTHON ?= python3
VENV ?= .venv
EXAMPLES ?= 1000
CONSTRAINTS ?= constraints.txt

BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS))
USER_STAMP := $(VENV)/.installed-pose
DEV_STAMP := $(VENV)/.installed-dev

COMPILED := matching contraction outofcore supersteps coarsening hierarchy pyramids engines methods graph

.PHONY: demo test boundscheck campaign coverage mutants notebook lint format docs look wheel-check clean
.DEFAULT_GOAL := demo

demo: $(USER_STAMP)
	$(BIN)/python -m examples.hgn_pose demo

test: $(DEV_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses=4

# Every index is checked, and small graphs take the paths of large ones.
boundscheck: $(DEV_STAMP)
	NUMBA_BOUNDSCHECK=1 SMALL_CHUNKS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile \
	  -m "not slow and not gpu" $(COMPILED:%=tests/%) tests/campaign/test_differential.py

campaign: $(DEV_STAMP)
	EXAMPLES=$(EXAMPLES) SMALL_CHUNKS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --hypothesis-profile=campaign \
	  tests/campaign tests/hierarchy/test_files.py tests/checks/test_writing.py tests/compiled/test_kernel.py \
	  tests/convert/test_damaged_files.py tests/convert/test_any_array.py tests/hgn_pose/files

# What is compiled is invisible to coverage, so its tests run a second time without being compiled.
coverage: $(DEV_STAMP)
	rm -f .coverage*
	OMP_NUM_THREADS=1 $(BIN)/python -m coverage run -m pytest -q -m "not slow and not gpu" tests multiscale_gcn --ignore tests/hgn_pose --ignore tests/mesh_flow
	NUMBA_DISABLE_JIT=1 OMP_NUM_THREADS=1 $(BIN)/python -m coverage run -m pytest -q -m "not slow and not gpu" \
	  -W ignore::RuntimeWarning tests/matching tests/contraction tests/graph tests/pyramids tests/campaign/test_differential.py
	$(BIN)/python -m coverage combine -q
	$(BIN)/python -m coverage report

mutants: $(DEV_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python tests/campaign/mutants.py

# Every cell of the notebook, with hardly any training; make docs runs them too.
notebook: $(DEV_STAMP)
	HGN_NOTEBOOK=quick OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbmake --nbmake-timeout=600 examples/hgn_pose/hgn.ipynb

lint: $(DEV_STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(DEV_STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# ONLINE=1 makes links into the references of other projects, which takes a network.
docs: $(DEV_STAMP)
	DOCS_ONLINE=$(ONLINE) OMP_NUM_THREADS=1 $(BIN)/sphinx-build -b html -W --keep-going -n -q docs docs/_build/html
	$(BIN)/sphinx-build -b doctest -D plot_gallery=0 -D nb_execution_mode=off -W --keep-going -q docs docs/_build/doctest

# Every page in a browser, at two widths; its picture lies in docs/_build/pictures.
look: docs
	$(BIN)/python docs/look.py docs/_build/html --pictures docs/_build/pictures

# The wheel alone, in an environment of its own, away from the checkout.
wheel-check: $(DEV_STAMP)
	rm -rf dist
	$(BIN)/python -m build --wheel --no-isolation --outdir dist
	$(BIN)/python -m venv dist/venv
	dist/venv/bin/python -m pip install --quiet $(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) dist/*.whl
	cd dist && venv/bin/python -I ../.ci/check_wheel.py

clean:
	rm -rf build dist docs/_build docs/gallery/generated docs/reference/generated .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

$(USER_STAMP): pyproject.toml $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, and $(PYTHON) is: $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
	  exit 1; }
	@echo "Installing into $(VENV); the first time this takes a minute or more."
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip
	$(INSTALL) --editable '.[pose]'
	@touch $@

$(DEV_STAMP): $(USER_STAMP)
	$(INSTALL) --editable '.[pose,testing]' --group dev
	@touch $@
