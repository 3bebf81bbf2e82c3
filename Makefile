SHELL := /bin/bash
PYTHON ?= $(firstword $(foreach p,python3.11 python3.12 python3.13 python3.14 python3,$(shell command -v $(p) 2>/dev/null)))
BIN := .venv/bin
READY := .venv/.ready

.PHONY: setup

setup: $(READY)

# uv is pinned in the lock like everything else: pip installs it by hash, then uv installs the rest.
$(READY): requirements.lock pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { echo "Recoup needs Python 3.11 to 3.14. Got $$($(PYTHON) -V). Set PYTHON=/path/to/python."; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r <(sed -n '/^uv==/,/^ *# via/p' requirements.lock)
	$(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(BIN)/python --editable .
	$(BIN)/recoup schema > params.schema.json
	touch $@

.PHONY: run test quick check site audit bench bench-night bench-notebook bench-features bench-faces bench-effect bench-first-year stress real tables words spark lock clean

# The main job on the sample: load, teach, approve, publish one night, and say what the ranks are worth.
run: setup
	@$(BIN)/recoup ingest
	@set -o pipefail; $(BIN)/recoup train | tee work/train.txt
	@$(BIN)/recoup promote --run "$$(tail -n 1 work/train.txt)" --by "make run" --why "first night on the sample"
	@$(BIN)/recoup run --as-of 2026-10-01
	@$(BIN)/recoup evaluate --run "$$(tail -n 1 work/train.txt)" --truth data/sample/truth --out work/report.html

# make test T=tests/law: one room, or one file.
test: setup
	$(BIN)/python -m pytest --numprocesses 2 $(T)

# Cases computed by hand, in under a minute: no browser, no training, no Spark, no drawn worlds, no whole delivery, no other program.
quick: setup
	$(BIN)/python -m pytest --numprocesses 2 -m "not stress and not slow" $(T)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyrefly check --python-interpreter-path $(BIN)/python
	$(MAKE) --no-print-directory site

# docs/ as a site in work/site; a link or an anchor that leads nowhere fails it.
site: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Known holes of what the locks pin; offline it says what it could not look at.
audit: setup
	$(BIN)/python .ci/audit requirements.lock
	$(BIN)/python .ci/audit requirements-spark.lock

# Everything that docs/benchmarks.md tells, measured again and written there: an hour. BENCH="notebook": one part.
bench: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.composed $(BENCH)

bench-night: setup
	$(BIN)/python -m benchmarks.night $(BENCH)

# The same night as a notebook would make it today, beside ours.
bench-notebook: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.notebook $(BENCH)

# Beside other tools, in environments of their own: the product never meets them, and featuretools needs an older pandas.
bench-features: .venv-bench/.ready .venv-featuretools/.ready
	.venv-bench/bin/python -m benchmarks.features $(BENCH)

.venv-bench/.ready: $(READY) benchmarks/requirements.lock
	"$(PYTHON)" -m venv .venv-bench
	$(BIN)/uv pip sync --quiet --require-hashes --python .venv-bench/bin/python requirements.lock benchmarks/requirements.lock
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python .venv-bench/bin/python --editable .
	touch $@

.venv-featuretools/.ready: $(READY) benchmarks/featuretools.lock
	"$(PYTHON)" -m venv .venv-featuretools
	$(BIN)/uv pip sync --quiet --require-hashes --python .venv-featuretools/bin/python benchmarks/featuretools.lock
	touch $@

bench-faces: setup
	$(BIN)/python -m benchmarks.faces

# Worlds whose true effect is known, nine of 12,000 debtors; what was made stays in work/effect.
bench-effect: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.effect $(BENCH)

# A made-up shop whose collectors obey its lists for a year: minutes; the shop stays in work/first-year.
bench-first-year: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.first_year $(BENCH)

# Every promise of a night in full, the long tests and the mutants: hours. make stress T=r07: one row, kept in the table
# of docs/reliability.md beside the others; T=mutants. RECOUP_MOST=N tries a row N times at most.
stress: setup
	HYPOTHESIS_PROFILE=new $(BIN)/python -m benchmarks.reliability $(T)

# make real REAL=PATH: the public data sets of benchmarks/public/README.md, through the whole product.
real: setup
	@test -n "$(REAL)" || { echo "Say where the public data sets are: make real REAL=PATH"; exit 2; }
	$(BIN)/python -m benchmarks.real "$(REAL)"

# make tables REAL=PATH: the published benchmarks alone, next to their published figures.
tables: setup
	@test -n "$(REAL)" || { echo "Say where the public data sets are: make tables REAL=PATH"; exit 2; }
	$(BIN)/python -m benchmarks.real "$(REAL)" --only credit_cards_taiwan mobile_loans cash_advances email_experiment

# Texts that are new or changed come into every catalogue of pipeline/pages/words, to be translated there.
words: setup
	$(BIN)/python -m pipeline.pages.translation

# For engine.spark of the params: one machine too small. Java comes from your system.
spark: setup
	$(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python -r requirements-spark.lock

lock: setup
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock
	echo pyspark | $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet --output-file requirements-spark.lock
	$(BIN)/uv pip compile benchmarks/requirements.in --constraint requirements.lock --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet --output-file benchmarks/requirements.lock
	$(BIN)/uv pip compile benchmarks/featuretools.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet --output-file benchmarks/featuretools.lock

clean:
	rm -rf work .venv .venv-bench .venv-featuretools build dist *.egg-info
