.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run check tools lint test nightly traefik bench generate screenshots

## help: this list
help:
	@sed -n 's/^## //p' Makefile

## run: serve on http://127.0.0.1:8080 with data in ./curfew-data
run:
	go run ./cmd/curfew serve --listen 127.0.0.1:8080 --data ./curfew-data

## check: install what the tests need, then run everything; continuous integration runs the same
check: tools lint test

## tools: install the browser and the compiler that the tests need, if they are missing (Debian)
tools:
	@.ci/tools

## lint: formatting, modules, go vet, staticcheck; bench is a module of its own
lint:
	@files=$$(gofmt -l .); test -z "$$files" || { echo "not formatted, run gofmt -w:"; echo "$$files"; exit 1; }
	go mod tidy -diff
	go mod verify
	go vet ./...
	go tool staticcheck ./...
	cd bench && go mod tidy -diff && go vet ./...

## test: all tests, with the race detector; browser tests and fuzz seeds are among them
test:
	GORACE=atexit_sleep_ms=0 go test -race $(unwatched:%=-gcflags=%=-race=false) -timeout 30m ./...

# What the race detector does not watch: SQLite and the C library under it, which are C made into Go, and calculations on one
# goroutine. None of it is ours, and watching it took two thirds of the tests' time. Nor does it let each program wait a second at
# its end for more races, when everything that the program started has ended.
unwatched = modernc.org/sqlite/lib modernc.org/libc modernc.org/memory golang.org/x/crypto/argon2 github.com/andybalholm/brotli/... compress/flate

## nightly: what a night can try more often than each change can: a million random sequences, power cuts, kills, others' sessions, invented addresses
nightly: tools traefik
	go test -race -count=1 -timeout 9h -run '^TestNobodyGetsAnothersSession$$' . -others 10000 -others.for 10m
	go test -count=1 -timeout 9h -run '^TestProperty' ./memory -rapid.checks 1000000
	go test -count=1 -timeout 9h -run '^TestProperty' ./sqlite -rapid.checks 1000
	go test -count=1 -timeout 9h -run '^TestPowerLoss$$' ./sqlite -power.rounds 500
	go test -count=1 -timeout 9h -run '^TestCrash$$' ./cmd/curfew -crash.rounds 1000
	go test -count=1 -timeout 9h -run '^TestNoPathLeadsPast$$' ./cmd/curfew -path-cases 6000 -path-seed $$(date +%s)

## traefik: build Traefik, which takes a quarter of an hour the first time, and run its recipe
traefik: tools
	dir=$$(mktemp -d) && .ci/traefik $$dir/traefik && \
		go test -count=1 -run '^(TestForwardAuth|TestForwardAuthInTheBrowser|TestForgedConsoleHost|TestAppOfOthers)$$/^traefik$$' ./cmd/curfew -traefik $$dir/traefik; status=$$?; rm -r $$dir; exit $$status

## bench: measure what docs/performance.md says, and write it there (a quarter of an hour; needs wrk)
bench:
	cd bench && go run . -write ../docs/performance.md

## generate: refresh the vendored files of the console (needs npm; see internal/vendored)
generate:
	go generate ./console

## screenshots: take the README's pictures anew
screenshots: tools
	dir=$$(mktemp -d) && CURFEW_TEST_SCREENSHOTS=$$dir go test -count=1 -run '^TestLook$$' ./cmd/curfew && \
		cp $$dir/desktop-light-sessions.png docs/screenshots/sessions-light.png && \
		cp $$dir/desktop-dark-sessions.png docs/screenshots/sessions-dark.png && rm -r $$dir
