# MicroServiceHub. `make` alone prints this list; `make run` and `make test` are the two that a newcomer needs.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run dev build compile web temporal test test-go test-web test-e2e chaos bench generate lint verify tools image push deploy-staging deploy-prod rollback-staging rollback-prod clean

CACHE   ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/mshub
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
# A first build compiles a thousand packages: without debug information and with a calmer collector in the compiler that
# takes a sixth less time. Debug with `go build -gcflags='all=-N -l' ./cmd/mshub`.
GOBUILD := GOGC=400 go build -gcflags=all=-dwarf=false
TOOLS   := .cache/tools
BUF     := tools/node_modules/.bin/buf
TEMPORAL_VERSION := $(shell awk '$$1 == "github.com/temporalio/cli" {print $$2}' tools/temporal/go.mod)
TEMPORAL := $(CACHE)/temporal-$(TEMPORAL_VERSION)
# Packages at once: two is right for two cores, engines included.
P ?= 2

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

## ---- the product

run: ## build everything, start everything, print the addresses and the first administrator's link
	@$(MAKE) --no-print-directory -j3 web compile temporal
	@$(MAKE) --no-print-directory build
	@exec bin/mshub up

dev: temporal webui/node_modules/.dev ## the house beside a console that reloads as you edit it (http://localhost:5173)
	@$(MAKE) --no-print-directory build
	@trap 'kill 0' EXIT; bin/mshub up & cd webui && npm run dev

build: web ## bin/mshub, console included
	@echo "building bin/mshub"
	@$(GOBUILD) -ldflags '$(LDFLAGS)' -o bin/mshub ./cmd/mshub

# Everything but the console into Go's build cache, while the console's packages are still on their way.
compile:
	@$(GOBUILD) -o /dev/null ./cmd/mshub

web: webui/dist/index.html ## the console's bundle

NPM := npm ci --no-audit --no-fund --loglevel=error
# What building needs; testing and linting need more (webui/node_modules/.dev).
webui/node_modules/.package-lock.json: webui/package.json webui/package-lock.json
	@echo "fetching the console's packages"
	@cd webui && $(NPM) --omit=dev >/dev/null

webui/node_modules/.dev: webui/package.json webui/package-lock.json
	@echo "fetching the console's packages and their tests'"
	@cd webui && $(NPM) >/dev/null && touch node_modules/.dev

WEB_SOURCES := $(shell find webui/src webui/public -type f 2>/dev/null) webui/index.html webui/vite.config.ts
webui/dist/index.html: webui/node_modules/.package-lock.json $(WEB_SOURCES)
	@echo "building the console"
	@cd webui && npm run build --silent

temporal: ## the workflow engine that `mshub up` starts, unless one is on PATH (built once, about 2.5 minutes)
	@tools/temporal/build.sh "$(TEMPORAL)"

## ---- its proof

test: ## install what the tests need, then run all of them
	@tools/setup.sh
	@$(MAKE) --no-print-directory webui/node_modules/.dev
	@$(MAKE) --no-print-directory build
	@P=$(P) tools/test.sh

test-go: ## Go tests alone (PKG=./services/... for a part)
	@go test -p $(P) $(or $(PKG),./...)

test-web: webui/node_modules/.dev ## the console's tests alone
	@cd webui && npm test --silent

test-e2e: build ## the built mshub driven by real clients and a browser
	@go test -count=1 -timeout 20m ./cmd/mshub/e2e/...

chaos: build ## take parts of a running house away and see whether every promise is kept: make chaos SEED=1 (or SEEDS=1-20) MINUTES=3 STORE=mongo
	@go build -o bin/chaos ./cmd/mshub/chaos && bin/chaos -seed $(or $(SEED),0) -seeds '$(SEEDS)' -minutes $(or $(MINUTES),3) -store $(or $(STORE),postgres)

bench: build ## measure everything, or one: make bench NAME=import (ARGS=-try: whether it works)
	@go run ./bench -name '$(NAME)' $(ARGS)

## ---- its keeping

tools: $(TOOLS)/.stamp ## pinned generators and linters into .cache/tools

$(TOOLS)/.stamp: tools/go.mod tools/go.sum tools/sqlc/go.mod tools/package.json
	@mkdir -p $(TOOLS)
	@cd tools && GOBIN=$(abspath $(TOOLS)) go install tool
	@cd tools/sqlc && go build -o ../../$(TOOLS)/sqlc github.com/sqlc-dev/sqlc/cmd/sqlc
	@cd tools && npm install --no-save --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

generate: tools ## doors, stores, schemas, OpenAPI, dashboards: everything that is generated and committed
	@tools/generate.sh

lint: tools webui/node_modules/.dev ## formats, linters, walls, and generated code that is current
	@tools/lint.sh

verify: ## every file of deploy/ and observability/ against a real tool (DEEP=1 for the slow ones)
	@DEEP=$(DEEP) deploy/verify.sh

## ---- its delivery (the stages of the Jenkinsfile; see deploy/ci)

image: ## the container image, named in build/image.name
	@deploy/ci/image.sh

push: ## that image to the registry; its digest in build/image.txt
	@deploy/ci/push.sh

deploy-staging: ## that digest to staging: migration, roles, smoke test
	@deploy/ci/deploy.sh staging

deploy-prod: ## the same digest to production
	@deploy/ci/deploy.sh prod

rollback-staging: ## staging back to its last good release (TO=previous: one further)
	@deploy/ci/rollback.sh staging

rollback-prod: ## production back to its last good release (TO=previous: one further)
	@deploy/ci/rollback.sh prod

clean: ## everything that was built here
	@rm -rf bin build .cache webui/dist/assets webui/dist/index.html webui/node_modules tools/node_modules
