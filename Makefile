# Everything here is what CI runs, too. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash -euo pipefail
VENV := .venv
PY := $(VENV)/bin/python
export UV_PYTHON_DOWNLOADS := never
UV_VERSION := 0.13.8
CORE := $(shell find tapewire services bench -name '*.pyx' -o -name '*.pxi' -o -name '*.hpp')
ARGS ?=
SECONDS := 600
SEED := 1
ABI := build/abi/libtapewire_book.so
ABI_PARTS := services/matcher/abi.cpp services/matcher/abi.map include/tapewire/book.h pyproject.toml
# With the binary of Jaeger v2.
JAEGER_VERSION := v1.76.0
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.installed: requirements.lock tools/check_host.sh
	@bash tools/check_host.sh
	@test -x $(PY) || python3 -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.built: $(VENV)/.installed setup.py pyproject.toml $(CORE)
	@if test -e $(VENV)/bin/tapewire; then $(PY) setup.py --quiet build_ext --inplace; else \
		echo "building the compiled core (about half a minute, once) ..."; \
		$(VENV)/bin/uv pip install --quiet --python $(PY) --no-build-isolation --no-deps -e .; fi
	@touch $@

setup: $(VENV)/.installed ## install the locked dependencies into .venv

VENDOR := services/api/dashboard/vendor/.lock-sha256
VENDOR_PARTS := services/api/dashboard/package.json services/api/dashboard/package-lock.json tools/fetch_dashboard.py

build: $(VENV)/.built $(VENDOR) ## compile the core, if its sources changed; fetch the dashboard's packages, if their lock did

# A second with an npm on the machine, some more where it comes as a wheel. Nobody needs it but the dashboard: where no
# registry can be reached it says so and the build goes on.
$(VENDOR): $(VENDOR_PARTS) tools/node.lock | $(VENV)/.installed
	@$(PY) -m tools.fetch_dashboard

dashboard: $(VENV)/.installed ## fetch the JavaScript packages that the dashboard needs
	@$(PY) -m tools.fetch_dashboard

# Needs nothing but a C++ compiler. What it links of the C++ library lies within, so that any program can load it.
$(ABI): $(ABI_PARTS) $(shell find tapewire/wire services/matcher -name '*.hpp')
	@mkdir -p $(@D)
	@$(CXX) -std=c++20 -O3 -g0 -fPIC -fno-plt -fvisibility=hidden -Wall -Wextra -Wno-missing-field-initializers -I. \
		-DTAPEWIRE_VERSION='"$(VERSION)"' -shared -static-libstdc++ -static-libgcc -Wl,-soname,$(@F) \
		-Wl,--version-script=services/matcher/abi.map -o $@ services/matcher/abi.cpp

abi: $(ABI) ## compile the matcher for C and other languages: build/abi/libtapewire_book.so
	@echo "$(ABI)"

build/jaeger: tools/build_jaeger.sh
	@bash tools/build_jaeger.sh $(JAEGER_VERSION) $@

jaeger: build/jaeger ## build Jaeger with Go (five minutes), for the tests of tracing against it
	@echo "$<"

build/cluster: tools/cluster/build.sh tools/cluster/go.mod tools/cluster/go.sum $(wildcard tools/cluster/*.go)
	@bash tools/cluster/build.sh $@

cluster: build build/cluster ## start a Kubernetes control plane without containers, built with Go (a quarter of an hour, once)
	@$(PY) -m tools.cluster $(ARGS)

services: build ## start real PostgreSQL, Redis, Kafka, Jaeger, Prometheus for tests and benches, print their addresses
	@$(PY) -m tools.services $(ARGS)

generate: $(VENV)/.built ## write anew what is made from schemas/, FIX rules, channels, metrics, alerts, commands
	@$(PY) -m tapewire.wire.generate
	@$(PY) -m tapewire.fix.generate
	@$(PY) -m tapewire.bus.generate
	@$(PY) -m services.monitor.generate
	@$(PY) -m services.api.stream.document
	@$(PY) -m tapewire.cli._generate

check: build ## format, lint, types, import rules, rules of the house
	@$(VENV)/bin/ruff format --check --quiet .
	@$(VENV)/bin/ruff check --quiet .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(PY) -m tapewire.wire.generate --check
	@$(PY) -m tapewire.fix.generate --check
	@$(PY) -m tapewire.bus.generate --check
	@$(PY) -m services.monitor.generate --check
	@$(PY) -m services.api.stream.document --check
	@$(PY) -m tapewire.cli._generate --check
	@$(PY) -m pytest tests/unit/test_tidy.py

test: build ## the tests, within minutes
	@$(PY) -m pytest $(ARGS)

test-all: build ## the tests and the long runs (soak, thousands of seeds)
	@$(PY) -m pytest -m "" $(ARGS)

sanitize: build ## the compiled core under AddressSanitizer and UndefinedBehaviorSanitizer: a million random commands each
	@$(PY) -m pytest -m "" tests/native $(ARGS)

fuzz: build ## arbitrary bytes into decoder, engine core and matcher for SECONDS (600), from SEED (1)
	@$(PY) -m tools.fuzz --seconds $(SECONDS) --seed $(SEED) $(ARGS)

fuzz-fix: build ## a hundred thousand mutated messages into a real FIX acceptor, from SEED (1)
	@$(PY) -m tools.fuzz_fix --seed $(SEED) $(ARGS)

bench: build ## measure everything, write bench/results/<machine>.json
	@$(PY) -m bench all $(ARGS)

demo: build ## run the whole platform on this machine
	@$(VENV)/bin/tapewire demo $(ARGS)

wheels: build ## a wheel for every CPython 3.11 to 3.13 that is here, for any Linux with glibc 2.28, into dist/
	@$(PY) -m tools.wheels $(ARGS)

IMAGE := tapewire:$(VERSION)

image: ## build the container image, where a Docker engine answers
	@command -v docker > /dev/null || { echo "no docker on this machine; tests/integration/test_image.py exercises the steps without" >&2; exit 1; }
	@docker info > /dev/null 2>&1 || { echo "no Docker engine answers \`docker info\`; tests/integration/test_image.py exercises the steps without" >&2; exit 1; }
	docker build --file deploy/docker/Dockerfile --build-arg VERSION=$(VERSION) --tag $(IMAGE) $(ARGS) .

COMPOSE = $(if $(shell docker compose version 2>/dev/null),docker compose,$(VENV)/bin/docker-compose)
PROFILE := fused

up: build image ## run everything in containers, PROFILE=fused or split; makes keys and passwords in .tapewire/compose
	@$(PY) -m tools.compose
	@$(COMPOSE) --profile $(PROFILE) up --detach --wait $(ARGS)

down: ## end what `make up` started; its volumes stay (ARGS=--volumes removes them)
	@$(COMPOSE) --profile fused --profile split down $(ARGS)

sbom: $(VENV)/.installed ## what an installation consists of, as CycloneDX: dist/tapewire-VERSION.cdx.json
	@$(VENV)/bin/uv venv --quiet --allow-existing --python $(PY) build/sbom
	@$(VENV)/bin/uv pip sync --quiet --python build/sbom/bin/python --require-hashes requirements.runtime.lock
	@mkdir -p dist
	@build/sbom/bin/python -m tools.sbom --release $(VERSION) --lock requirements.runtime.lock \
		--npm services/api/dashboard/package-lock.json > dist/tapewire-$(VERSION).cdx.json
	@echo dist/tapewire-$(VERSION).cdx.json

audit: $(VENV)/.installed ## known vulnerabilities of what is locked, Python's and the dashboard's
	@$(PY) -m tools.audit $(ARGS)

lock: ## resolve the dependencies anew (after editing pyproject.toml)
	@$(VENV)/bin/uv lock --quiet
	@$(VENV)/bin/uv export --quiet --no-header --all-extras --no-emit-project --no-annotate -o requirements.lock
	@$(VENV)/bin/uv export --quiet --no-header --extra all --no-emit-project --no-annotate -o requirements.runtime.lock

clean: ## remove what was built, and empty rings in memory (not the data in .tapewire)
	-@test ! -e $(VENV)/.built || $(PY) -m tapewire.ring.removal
	@rm -rf build dist services/api/dashboard/vendor *.egg-info $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find tapewire services bench \( -name '*.so' -o -name '_*.cpp' \) -delete

.PHONY: help image up down audit sbom setup build dashboard abi jaeger cluster services generate check test test-all sanitize fuzz fuzz-fix bench demo wheels lock clean
