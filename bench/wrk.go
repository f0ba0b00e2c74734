package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// How wrk compares two servers: they take turns, a second each, on so many connections.
const (
	wrkRounds = 31
	wrkConns  = 32
)

// findWrk fails if wrk is not there.
func findWrk() error {
	if _, err := exec.LookPath("wrk"); err != nil {
		return errors.New("the group gate asks with wrk, which is not installed; on Debian: apt-get install wrk")
	}
	return nil
}

// compareByWrk compares how many requests a second two handlers answer, each in a server of its own, and adds a row with how many
// times as many it is for the second. Their clients, by turns, have all processors too.
func (b *bench) compareByWrk(what string, least float64, bare, ours http.Handler, path string, header []string) error {
	var urls [2]string
	for i, h := range []http.Handler{bare, ours} {
		server, url, err := serve(h)
		if err != nil {
			return err
		}
		defer server.Close()
		urls[i] = url + path
	}
	var rates [2]spread
	var ratio spread
	for i := range wrkRounds {
		for _, side := range []int{i % 2, 1 - i%2} { // neither is always the first
			rate, err := askByWrk(b.ctx, urls[side], header)
			if err != nil {
				return err
			}
			rates[side] = append(rates[side], rate)
		}
		ratio = append(ratio, rates[1][i]/rates[0][i])
	}
	for _, s := range []spread{rates[0], rates[1], ratio} {
		slices.Sort(s)
	}
	b.add(what, fmt.Sprintf("≥ %v × as many", least), fmt.Sprintf("%s: %.0f a second, bare %.0f",
		showSpread(ratio, showTimes), rates[1].median(), rates[0].median()), ratio.median() >= least)
	return nil
}

// serve answers on a port of its own, within the limits that curfew serve has: keeping them costs each request something.
func serve(h http.Handler) (server *http.Server, url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	server = &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10,
	}
	go server.Serve(l)
	return server, "http://" + l.Addr().String(), nil
}

// What wrk prints.
var (
	wrkRate   = regexp.MustCompile(`(?m)^Requests/sec: +([0-9.]+)$`)
	wrkFailed = regexp.MustCompile(`(?m)^ +(Socket errors|Non-2xx).*$`)
)

// askByWrk asks for a second, and returns how many answers came. Each must be good.
func askByWrk(ctx context.Context, url string, header []string) (float64, error) {
	args := []string{fmt.Sprintf("-t%d", min(runtime.GOMAXPROCS(0), wrkConns)), fmt.Sprintf("-c%d", wrkConns), "-d1s"}
	for _, line := range header {
		args = append(args, "-H", line)
	}
	out, err := exec.CommandContext(ctx, "wrk", append(args, url)...).CombinedOutput()
	rate := wrkRate.FindSubmatch(out)
	if err != nil || rate == nil || wrkFailed.Match(out) {
		return 0, fmt.Errorf("wrk: %v: %s", err, out)
	}
	return strconv.ParseFloat(string(rate[1]), 64)
}
