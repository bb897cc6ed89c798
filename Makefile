# Everything runs inside .venv, which the first target makes; a later change of the dependencies installs again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
KSERVE := .venv-kserve
KSERVE_STAMP := $(KSERVE)/.installed
WORKERS ?= 2

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo demo-cifar10 serve test test-slow test-kserve check format bench bench-deposit bench-sealing bench-serving bench-engines security fuzz constraints clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP) ## Make .venv and install everything into it

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## Run the main job from end to end on handwritten digits
	$(BIN)/lirf demo --json var/demo.json

serve: $(STAMP) ## Run the service: SQLite, a worker, http://127.0.0.1:8000
	$(BIN)/lirf up

$(KSERVE): $(KSERVE_STAMP)

$(KSERVE_STAMP): tests/interop/kserve-requirements.txt
	test -x $(KSERVE)/bin/python || $(PYTHON) -m venv $(KSERVE)
	@if $(KSERVE)/bin/python -c 'import sys; sys.exit(sys.version_info >= (3, 14))'; then \
		$(KSERVE)/bin/python -m pip install --quiet --no-deps --no-compile --requirement $<; \
	else echo 'kserve needs Python 3.13 or older; the test with its client will be skipped'; fi
	@touch $@

test: $(STAMP) $(KSERVE_STAMP) ## Run all tests but the slow ones
	$(BIN)/pytest -n $(WORKERS) -m 'not slow'

test-slow: $(STAMP) ## Run the tests that take minutes
	$(BIN)/pytest -m slow --timeout 3000

test-kserve: $(STAMP) $(KSERVE_STAMP) ## Run the test with KServe's own client, in .venv-kserve
	$(BIN)/pytest tests/interop

check: $(STAMP) ## Lint, types, import contracts, schema drift, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m migrations.check
	$(BIN)/python -m security.audit

format: $(STAMP) ## Format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: bench-deposit bench-serving ## Measure deposits and predictions; writes benchmarks/results/

bench-deposit: $(STAMP) ## Deposits alone, beside plain loops; on real images with DATA= and WEIGHTS=
	$(BIN)/python -m benchmarks.deposit $(if $(DATA),--data '$(DATA)') $(if $(WEIGHTS),--weights '$(WEIGHTS)')

bench-sealing: $(STAMP) ## What the vault costs, beside plain bytes through the same database
	$(BIN)/python -m benchmarks.sealing

bench-serving: $(STAMP) ## Predictions beside LitServe, BentoML, eager PyTorch and the bare engine
	$(BIN)/python -m benchmarks.serving

bench-engines: $(STAMP) ## The engines that were considered, beside one another
	$(BIN)/python -m pip install --quiet --constraint constraints.txt 'onnx>=1.20' 'onnxruntime>=1.23'
	$(BIN)/python -m benchmarks.engines

security: $(STAMP) ## Attack the vault of a running service and count what was refused
	$(BIN)/python -m security

fuzz: $(STAMP) ## Send 20,000 malformed requests and files to a running service
	$(BIN)/python -m security.fuzz

constraints: $(STAMP) ## Write the installed versions to constraints.txt
	{ echo '# Exact versions that CI tests. Regenerate with `make constraints`.'; \
		$(BIN)/python -m pip freeze --exclude-editable; } \
		| sed -E 's/^(torch|torchvision)==.*/& ; platform_machine == "x86_64"/' > constraints.txt

clean: ## Delete all .venv folders, caches and the embedded service's data
	rm -rf $(VENV) $(KSERVE) .venv-litserve .venv-bentoml var .mypy_cache .ruff_cache .pytest_cache .hypothesis build
