# `make help` lists the targets; CI calls `make test`.

SHELL := /bin/bash
.DEFAULT_GOAL := help

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 30s
CHAOS ?= -chaos 10m
LDFLAGS := -s -w

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

run: ## run the server on port 3001
	go run ./cmd/signald

build: ## build a static binary into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/signald ./cmd/signald

setup: ## install what the tests need: Node packages, and Debian packages where root
	./test/setup.sh

# The tests that start real servers and do something to them.
LIVE := ./test/rig ./test/field ./test/hostile ./test/faults ./test/overload ./test/cluster ./test/access ./test/upgrade ./test/monitoring

test: setup lint test-go live ## set up and run every test; what CI runs
	VULN_OFFLINE=1 ./test/vuln.sh
	go test -race -count=1 -timeout 20m ./test/e2e
	go test -count=1 -timeout 20m ./test/browser
	$(MAKE) fuzz FUZZTIME=3000x
	go run ./bench/run -short
	go run ./bench/scale -short
	go run ./bench/cluster -short
	cd bench/framing && go vet ./... && go test ./...
	./deploy/check.sh

# One package at a time: many of them test what happens within milliseconds.
test-go: ## the Go tests alone, without the JavaScript client
	go test -race -p 1 $$(go list ./... | grep -v /test/)

live: setup ## hostile input, overload, faults, clusters, access, upgrades, monitoring, the field: with real servers
	go test -p 1 -count=1 -timeout 30m $(LIVE)
	go test -race -count=1 -timeout 10m -run 'Storm|StopDuring' ./test/faults

overload: ## the same under overload, on a quiet machine: fails if a healthy pair waits over 50 ms
	OVERLOAD_P99=50ms go test -count=1 -p 1 -v -timeout 20m ./test/overload

chaos: setup ## random faults in a cluster, with a printed seed (CHAOS="-chaos 10m -seed 1")
	go test -count=1 -v -timeout 2h -run Chaos ./test/cluster $(CHAOS)

field: setup ## unchanged clients through restarts, refusals and cuts (FIELD="-clients python")
	go test -count=1 -v -timeout 10m ./test/field $(FIELD)

field-long: setup ## the same with the default heartbeats (two minutes; FIELD="-table FILE")
	go test -count=1 -v -timeout 20m ./test/field -long $(FIELD)

e2e: setup ## the contract, with the real socket.io-client
	go test -race -count=1 ./test/e2e

browser: setup ## the pages, in a real Chromium
	go test -race -count=1 ./test/browser

screenshots: setup ## make the pictures of the README anew
	UPDATE_SCREENSHOTS=1 go test -count=1 ./test/browser

lint: ## gofmt, go vet and staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "not formatted with gofmt:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...

vuln: ## look for known vulnerabilities (govulncheck); fails if one is found, or none can be looked up
	./test/vuln.sh

# CI gives a count: go reports the end of a time as "context deadline exceeded",
# a failure, when that reaches its coordinator before its workers.
fuzz: ## every fuzz target for FUZZTIME (30s; 3000x is a count of inputs)
	@failed=; \
	for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$package $$target"; \
	    go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x $$package || failed+=" $$target"; \
	  done; \
	done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

bench: ## the server beside Node's socket.io and a bare relay (five minutes; BENCH="-only idle -out FILE")
	go run ./bench/run $(BENCH)

bench-short: ## the same, short: fails if anything is lost, reordered or refused (half a minute)
	go run ./bench/run -short

scale: ## memory and CPU by connections and users (six minutes; SCALE="-out docs/bench/scale.json")
	go run ./bench/scale $(SCALE)

bench-cluster: ## two instances beside Node's with its Redis adapter (four minutes; CLUSTER="-out docs/bench/cluster.json")
	go run ./bench/cluster $(CLUSTER)

simulate: ## what a million users on fifty instances would cost, from the measured figures
	go run ./bench/simulate -out docs/bench/simulate.json

plots: simulate ## draw the pictures of docs/PERFORMANCE.md anew
	go run ./bench/plot

bench-framing: ## compare WebSocket framing libraries (two minutes)
	cd bench/framing && go run . -bench

conformance: ## serve the set-up of the protocols' public test suites on port 3000
	go run ./server/socketio/conformance

deploy-check: ## check the deployment files
	./deploy/check.sh

.PHONY: help run build setup test test-go live overload chaos field field-long e2e browser screenshots lint vuln fuzz bench bench-short scale bench-cluster simulate plots bench-framing conformance deploy-check
