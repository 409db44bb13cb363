# `make help` lists the targets; CI calls `make test`.

SHELL := /bin/bash
.DEFAULT_GOAL := help

FUZZTIME ?= 30s
CHAOS ?= -chaos 10m
MOVES ?= -waves 100
LDFLAGS := -s -w

# What is released is optimized by a profile, as in the Dockerfile and .goreleaser.yaml.
# Its name is not default.pgo, with which every build would take longer.
PGO := -pgo=cmd/signald/relays.pgo

# A Node that setup has put here comes before the system's.
export PATH := $(CURDIR)/test/.node/node_modules/.bin:$(PATH)

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

run: ## run the server on port 3001
	go run ./cmd/signald

build: ## build a static binary into bin/ (TAGS=zishang adds that engine)
	CGO_ENABLED=0 go build -tags "$(TAGS)" $(PGO) -trimpath -ldflags "$(LDFLAGS)" -o bin/signald ./cmd/signald

setup: ## install what the tests need, and say so (test/setup.sh -n only says so)
	./test/setup.sh

# `make lint` vets all packages.
GOTEST := go test -vet=off

quick: ## vet and unit tests, cached: no Node, Redis, Chromium or root
	go test -vet=all $(UNIT) -short $(LONGEST) $$(go list ./... | grep -v /test/)
	go vet ./test/...

# Unit tests wait more than they compute, so more packages, and more tests of each,
# run at a time than there are processors. The longest come first, so that none of
# them is left over at the end.
UNIT := -p 4 -parallel 16
LONGEST := ./server/cluster ./server/wire

# The tests cover the engine that users have to ask for, too.
TAGGED := -tags zishang

# The tests that start real servers. Some wait most of the time, so two of them run
# side by side, and four parallel tests of each; others keep the processors busy, and
# run one by one.
WAITING := ./test/faults ./test/hostile ./test/cluster ./test/moves ./test/access ./test/docs ./test/upgrade ./test/monitoring ./test/rig
BUSY := ./test/browser ./test/e2e

# The server that all of them start, built once.
BUILT := $(CURDIR)/bin/test
export SIGNALD := $(BUILT)/signald
export SIGNALD_RACE := $(BUILT)/signald-race

# With -j: so many targets at a time, and the output of each in one piece.
ABREAST := $(MAKE) --output-sync=target

test: setup ## set up and run every test; what CI runs
	$(MAKE) test-go
	$(ABREAST) -j2 live-waiting computing
	$(MAKE) live-busy alone

# What promises nothing about time leaves the processors to whatever waits beside it.
computing:
	nice -n 5 $(ABREAST) -j2 lint vuln-offline test-modules benches-short deploy-check

test-modules: built # the tests of the modules that are not the product's
	cd tools && go test ./...
	cd bench/framing && go vet ./... && go test ./...

test-go: built ## the unit tests, with the race detector
	$(GOTEST) $(UNIT) -race $(TAGGED) $(LONGEST) $$(go list $(TAGGED) ./... | grep -v /test/)

built:
	go build $(TAGGED) -o $(SIGNALD) ./cmd/signald
	go build $(TAGGED) -race -o $(SIGNALD_RACE) ./cmd/signald

live: setup built ## real servers: the contract, the pages, the documents, hostile input, faults, clusters, access, upgrades, monitoring
	$(MAKE) live-waiting live-busy

live-waiting:
	$(GOTEST) -p 2 -parallel 4 -count=1 -timeout 20m $(WAITING)
	$(GOTEST) -race -count=1 -timeout 10m -run 'Storm|StopDuring' ./test/faults

live-busy:
	$(GOTEST) -p 1 -parallel 3 -count=1 -timeout 20m $(BUSY)

# The clients in the field give up by timers of their own, and want the processors for
# themselves. What is under attack has a limit of memory, and of time only in `make
# overload` and `make siege`.
alone: setup built
	$(GOTEST) -count=1 -timeout 20m ./test/field
	$(GOTEST) -p 2 -parallel 4 -count=1 -timeout 20m ./test/overload ./test/siege

benches-short: bench-short scale-short bench-cluster-short ## the benchmarks, short: they fail if anything is lost or refused; their times say nothing

soak: setup ## the long campaigns: overload in full, a siege, random faults, clients in the field, fuzzing, scale, every platform (an hour)
	$(MAKE) overload siege chaos moves redis-long field-long
	$(MAKE) fuzz FUZZTIME=1m
	$(MAKE) scale
	cd tools && go run ./platforms -all

overload: built ## both engines under overload, on a quiet machine: fails if a healthy pair waits over 50 ms
	OVERLOAD_P99=50ms go test -count=1 -v -timeout 20m ./test/overload -both

siege: built ## attacks with default limits for five minutes, on a quiet machine: fails if a healthy pair waits over 50 ms
	SIEGE_TIME=5m SIEGE_P99=50ms go test -count=1 -v -timeout 20m ./test/siege

chaos: setup built ## random faults in a cluster, with a printed seed (CHAOS="-chaos 10m -seed 1")
	go test -count=1 -v -timeout 2h -run Chaos ./test/cluster $(CHAOS)

moves: setup built ## 18,000 calls during which phones change networks (MOVES="-waves 5 -grace 0" counts what fails without)
	go test -count=1 -v -timeout 1h ./test/moves $(MOVES)

redis-long: setup built ## every failover of Redis, and all that it may refuse
	go test -count=1 -v -timeout 10m -run 'Redis|Sentinel' ./test/cluster -long

field: setup built ## unchanged clients through restarts, refusals and cuts (FIELD="-clients python")
	go test -count=1 -v -timeout 10m ./test/field $(FIELD)

field-long: setup built ## the same with the default heartbeats (two minutes; FIELD="-table FILE")
	go test -count=1 -v -timeout 20m ./test/field -long $(FIELD)

e2e: setup built ## the contract, with the real socket.io-client
	go test -count=1 ./test/e2e

browser: setup built ## the pages, in a real Chromium
	go test -count=1 ./test/browser

screenshots: setup built ## make the pictures of the README again
	UPDATE_SCREENSHOTS=1 go test -count=1 ./test/browser

lint: ## gofmt, go vet, also for macOS, Windows and FreeBSD, and staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	  if [ -n "$$unformatted" ]; then echo "not formatted with gofmt:"; echo "$$unformatted"; exit 1; fi
	go vet $(TAGGED) ./...
	cd tools && go vet ./... && go run ./platforms
	go tool -modfile=tools/go.mod staticcheck $(TAGGED) ./...

vuln: ## look up known vulnerabilities; fails if there is one in a module, or no database
	cd tools && go run ./vuln

vuln-offline: # the same, but goes on without a database
	cd tools && VULN_OFFLINE=1 go run ./vuln

fuzz: ## every fuzz target for FUZZTIME (30s; 3000x is a count of inputs)
	@failed=; \
	while IFS=: read -r file target; do \
	  echo "$$file $$target"; \
	  go test $(TAGGED) -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x "./$$(dirname "$$file")" || failed+=" $$target"; \
	done < <(git grep --untracked -oE '^func Fuzz\w+' -- '*_test.go' | sed 's/func //'); \
	if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

bench: ## the server beside socket.io on Node and on Bun, and a bare relay (seventeen minutes; BENCH="-only idle -out FILE")
	go run ./bench/run $(BENCH)

bench-short: ## the same, short: fails if anything is lost, reordered or refused (half a minute)
	go run ./bench/run -short -servers ours,node,bare

scale: ## memory and CPU by connections and users (six minutes; SCALE="-out docs/bench/scale.json")
	go run ./bench/scale $(SCALE)

scale-short:
	go run ./bench/scale -short

bench-cluster: ## two instances beside Node's with its Redis adapter, fifty at work (ten minutes; CLUSTER="-out docs/bench/cluster.json")
	go run ./bench/cluster $(CLUSTER)

bench-cluster-short:
	go run ./bench/cluster -short

simulate: ## what a million users on fifty instances would cost, from the measured figures
	go run ./bench/simulate -out docs/bench/simulate.json

plots: simulate ## draw the pictures of docs/PERFORMANCE.md anew
	go run ./bench/plot

profile: ## record the profile that releases are optimized by (half a minute)
	./bench/profile.sh

bench-framing: ## compare WebSocket framing libraries (two minutes)
	cd bench/framing && go run . -bench

conformance: ## serve the set-up of the protocols' public test suites on port 3000
	go run ./server/socketio/conformance

first-call: ## how long it takes from a clone of this commit, with empty caches, to a relayed offer (PORT=3001)
	./test/first-call.sh

deploy-check: setup built ## check the deployment files
	./deploy/check.sh

release-check: ## build a release with goreleaser, offline, and install its .deb (minutes; root on Debian)
	./deploy/release-check.sh

.PHONY: help run build setup quick test test-go test-modules computing built live live-waiting live-busy alone benches-short soak overload siege chaos moves redis-long field field-long e2e browser screenshots lint vuln vuln-offline fuzz bench bench-short scale scale-short bench-cluster bench-cluster-short simulate plots profile bench-framing conformance first-call deploy-check release-check
