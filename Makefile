# Everything a person or CI does with this project. `make help` lists it.
GO      ?= go
TIMEOUT ?= 30m
FUZZTIME ?= 10s
TOOLS   := $(CURDIR)/bin

STATICCHECK  := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOLANGCI     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
TEMPL        := github.com/a-h/templ/cmd/templ@v0.3.977

.DEFAULT_GOAL := help
.PHONY: help build demo test deps lint fuzz bench generate clean

help: ## list what can be made
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## one static binary, bin/projhost
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/projhost ./cmd/projhost

demo: build ## three projects in ./demo, served over HTTP and FastCGI
	@bin/projhost demo

deps: ## install from Debian's packages what the tests need
	@scripts/test-deps

# What takes longest begins, so that it does not run on alone at the end.
LONGEST = ./e2e ./deploy/try

test: deps ## install what tests need, then run every test
	$(GO) test -race -shuffle=on -timeout=$(TIMEOUT) $(LONGEST) ./...

lint: ## gofmt, vet, staticcheck, golangci-lint, generated code up to date
	@scripts/lint "$(TOOLS)" "$(STATICCHECK)" "$(GOLANGCI)" "$(TEMPL)"

fuzz: ## every fuzz target for FUZZTIME (default 10s)
	@scripts/fuzz "$(FUZZTIME)"

bench: build ## the benchmarks of docs/performance.md, side by side in one run
	@scripts/bench

generate: ## write the Go code of the templates anew
	$(GO) run $(TEMPL) generate -path templates

clean: ## remove what was built
	rm -rf bin demo
