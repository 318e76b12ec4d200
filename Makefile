# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
DIST   ?= dist
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check

# What is imported is compiled then and once, not all of torch at the set-up and not anew in every process.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test fast lint style bench mutants dist lock clean

demo: $(STAMP)  ## set up, run the three commands on the built-in world, say where the reports are
	$(BIN)/imgkit demo

# mypy runs beside the tests, so that it costs no time of its own; it fails this target as a test does.
test: $(STAMP) style  ## set up, lint, type-check, run all tests; SELECT="not long" leaves out some
	@types=$$(mktemp) || exit 1; \
	nice $(BIN)/mypy >$$types 2>&1 & mypy=$$!; \
	trap 'kill $$mypy 2>/dev/null; rm -f $$types' EXIT; trap 'exit 130' INT; trap 'exit 143' TERM; \
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(if $(SELECT),-m "$(SELECT)"); tested=$$?; \
	wait $$mypy; typed=$$?; \
	echo "mypy:"; cat $$types; \
	test $$tested -eq 0 -a $$typed -eq 0

fast: $(STAMP)  ## the tests that are not marked slow, in a minute or two: no browser, no training, no demo of processes
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

lint: style
	$(BIN)/mypy

style: $(STAMP)
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks

bench: $(STAMP)  ## print every number that the README quotes
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

mutants: $(STAMP)  ## plant slips (COUNT of each, or all) in MODULES, such as net/robots, and print those that no test notices
	$(BIN)/python tests/mutants.py $(MODULES) $(if $(COUNT),--count $(COUNT)) $(MUTANTS)

dist: $(STAMP)  ## build the sdist, and from it the wheel; check both
	rm -rf $(DIST)/*.tar.gz $(DIST)/*.whl
	$(BIN)/python -m build --no-isolation --outdir $(DIST) .
	$(BIN)/twine --no-color check --strict $(DIST)/*

# constraints/lock.txt names every package with the SHA-256 of its files, so pip need not look for others: --no-deps.
# A build of torch for a CPU is taken where the machine brings the one that is listed; else that of the index, whose
# libraries on Linux are in cuda.txt.
$(STAMP): pyproject.toml constraints/lock.txt constraints/torch-cpu.txt constraints/cuda.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	-$(PIP) install --no-compile --require-hashes --no-deps -r constraints/torch-cpu.txt 2>/dev/null
	$(PIP) install --no-compile --require-hashes --no-deps -r constraints/lock.txt
	$(BIN)/python -c "import torch" 2>/dev/null || $(PIP) install --require-hashes --no-deps -r constraints/cuda.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

lock: $(STAMP)  ## write the locks anew after a change of pyproject.toml; UPGRADE=--upgrade takes newer versions
	$(PIP) install uv
	$(BIN)/python constraints/lock.py $(UPGRADE)

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache
