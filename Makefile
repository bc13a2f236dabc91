# Needs Python 3.10 or newer and make. Everything is installed into .venv, nothing outside this folder is changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SPARK := .venv-spark
SPARK_STAMP := $(SPARK)/.installed
SITE := .venv-site
SITE_STAMP := $(SITE)/.installed
LOWEST := .venv-lowest
LOWEST_STAMP := $(LOWEST)/.installed
PYTHONS := .venv-pythons
AUDIT := .venv-audit
AUDIT_STAMP := $(AUDIT)/.installed

PYTEST := $(BIN)/python -m pytest
# A worker that has finished takes tests from one that has not.
# Two for each core: tests wait for processes and disks for a third of their time.
export PYTEST_XDIST_AUTO_NUM_WORKERS := $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN))
PARALLEL := -n auto --dist worksteal

.PHONY: run actionlint audit test coverage test-slow test-lowest test-pythons wheel soak test-spark site lint types bench clean

# Reads a Delta control table, writes bundle files, changes one row and shows the difference.
run: $(STAMP)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python examples/demo.py

# All tests but the slow ones; tests/README.md says what lies where.
test: $(STAMP)
	@$(PYTEST) $(PARALLEL) $(if $(COVERAGE),--cov --cov-report=term)

# The same, and which lines of the package they run; fails below the floor in pyproject.toml.
coverage:
	@$(MAKE) --no-print-directory test COVERAGE=1

# What takes long: processes that are killed at every step, and all properties with many more examples; LJM_EXAMPLES=30
# makes that three times as many as `make test` tries, and not ten times.
test-slow: $(STAMP)
	@$(PYTEST) $(PARALLEL) -m '(slow or hypothesis) and not (wheel or soak or spark)' --hypothesis-profile=thorough

# What meets other packages, with the lowest versions of them that pyproject.toml allows.
test-lowest: $(LOWEST_STAMP)
	@$(LOWEST)/bin/python -m pytest $(PARALLEL) $(addprefix tests/,$(LOWEST_TESTS))

LOWEST_TESTS := $(addprefix unit/,schema render text diagnostics state tables workspace) $(addprefix integration/, \
	compiler parsing state tables sources services cli/test_command_line.py cli/test_terminal.py \
	deployment/test_jobs_api.py deployment/test_edited_jobs.py)

# What a Python may do in another way, by every other one that is found here.
test-pythons: $(STAMP)
	@for version in $(OTHER_PYTHONS); do \
		if $(ON_PYENV) $(BIN)/uv --quiet python find --no-python-downloads $$version > /dev/null 2>&1; \
		then $(MAKE) --no-print-directory $(PYTHONS)/$$version/.installed || exit 1; \
			echo "Python $$version"; \
			$(PYTHONS)/$$version/bin/python -m pytest $(PARALLEL) $(addprefix tests/,$(PYTHONS_TESTS)) || exit 1; \
		else echo "Python $$version is not here"; fi; \
	done

OTHER_PYTHONS := 3.10 3.12 3.13 3.14
PYTHONS_TESTS := unit $(addprefix integration/,compiler parsing state tables)
ON_PYENV := PATH="$$PATH:$$(ls -d $${PYENV_ROOT:-$$HOME/.pyenv}/versions/*/bin 2> /dev/null | paste -sd: -)"

# Control tables in a real Spark session. Needs Java 17 or newer; Delta's jars come from Maven the first time.
test-spark: $(SPARK_STAMP)
	@$(SPARK)/bin/python -m pytest -m spark tests/slow

# Monitors that tick thousands of times, are ended at any moment, and live through a day. Takes more than an hour;
# LJM_SOAK_SECONDS makes it shorter or longer.
soak: $(STAMP)
	@$(PYTEST) -m soak -s tests/slow/test_soak.py tests/slow/test_day.py

# The documentation as a site, built strictly into build/site; then every link of it, and its pages in a browser.
# Chromium is taken from PATH; without one the tests that need it are skipped.
site: $(SITE_STAMP) $(STAMP)
	@NO_MKDOCS_2_WARNING=1 $(SITE)/bin/mkdocs build --quiet
	@$(PYTEST) -m site tests/site

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo --cache-dir .ruff_cache/imports

types: $(STAMP)
	@$(BIN)/mypy

# What the tests check GitHub's workflow with; needs Go. Without it that test is skipped.
actionlint: $(STAMP)
	@GOBIN=$(CURDIR)/$(BIN) go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# Asks for known vulnerabilities of everything that is installed in .venv; needs the network. Licences are a test.
audit: $(AUDIT_STAMP) $(STAMP)
	@$(AUDIT)/bin/pip-audit --skip-editable --progress-spinner off --path $$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')

# Builds the wheel, installs it alone into an environment of its own, and generates from it.
wheel: $(STAMP)
	@$(PYTEST) -m wheel tests/e2e/test_wheel.py

bench: $(STAMP)
	@$(BIN)/python -m bench

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.12")'
	@echo "Installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $(STAMP)

$(SPARK_STAMP): pyproject.toml
	@command -v java > /dev/null || { echo "Java 17 or newer is needed for Spark." >&2; exit 1; }
	@echo "Installing Spark into $(SPARK) ..."
	@$(PYTHON) -m venv $(SPARK)
	@echo '*' > $(SPARK)/.gitignore
	@$(SPARK)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[dev,spark]"
	@touch $(SPARK_STAMP)

$(SITE_STAMP): pyproject.toml
	@echo "Installing mkdocs into $(SITE) ..."
	@$(PYTHON) -m venv $(SITE)
	@echo '*' > $(SITE)/.gitignore
	@$(SITE)/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[site]"
	@touch $(SITE_STAMP)

$(LOWEST_STAMP): pyproject.toml $(STAMP)
	@echo "Installing the lowest versions into $(LOWEST) ..."
	@$(BIN)/uv --quiet venv --clear --python $(BIN)/python $(LOWEST)
	@$(BIN)/uv --quiet pip install --python $(LOWEST)/bin/python --compile-bytecode --resolution lowest-direct \
		--editable ".[databricks,delta]"
	@$(BIN)/uv --quiet pip install --python $(LOWEST)/bin/python --compile-bytecode --editable ".[databricks,delta,test]"
	@touch $(LOWEST_STAMP)

$(PYTHONS)/%/.installed: pyproject.toml $(STAMP)
	@$(ON_PYENV) $(BIN)/uv --quiet venv --clear --no-python-downloads --python $* $(PYTHONS)/$*
	@echo '*' > $(PYTHONS)/.gitignore
	@$(BIN)/uv --quiet pip install --python $(PYTHONS)/$*/bin/python --compile-bytecode --editable ".[dev]"
	@touch $@

$(AUDIT_STAMP): pyproject.toml
	@$(PYTHON) -m venv $(AUDIT)
	@echo '*' > $(AUDIT)/.gitignore
	@$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check "pip-audit>=2.9"
	@touch $(AUDIT_STAMP)

clean:
	rm -rf $(VENV) $(SPARK) $(SITE) $(LOWEST) $(PYTHONS) $(AUDIT) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
