package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// idleReport is about the calls after the pause. A server that closes connections earlier than
// its clients do answers some of them with a reset, and nobody sends a POST twice.
type idleReport struct {
	report
	Reused int64 `json:"reused"` // calls after a pause that found their old connection open
	Lost   int64 `json:"lost"`   // of the errors: EOF, reset, broken pipe
}

// idle gives each client a connection of its own, so that none waits for another's.
func idle(args []string) (any, error) {
	var to target
	flags := flag.NewFlagSet("load idle", flag.ExitOnError)
	to.declare(flags)
	workers := flags.Int("c", 100, "clients")
	pause := flags.Duration("idle", 5*time.Second, "between two calls of a client")
	spread := flags.Duration("spread", 0, "the pause is longer or shorter by up to so much")
	rounds := flags.Int("rounds", 1, "pauses of each client")
	flags.Parse(args)
	if *workers < 1 || *rounds < 1 {
		return nil, errors.New("-c and -rounds must be 1 or more")
	}
	template, err := readTemplate(to.body)
	if err != nil {
		return nil, err
	}
	url, err := address(to.url, "timeout", to.timeout.String())
	if err != nil {
		return nil, err
	}
	connections := &counter{}
	tallies := make([]tally, *workers)
	var reused, lost atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	for worker := range *workers {
		client, err := newClient(to.ca, to.timeout, connections)
		if err != nil {
			return nil, err
		}
		group.Go(func() {
			for round := range *rounds + 1 {
				if round > 0 {
					time.Sleep(*pause + time.Duration((2*rand.Float64()-1)*float64(*spread)))
				}
				uid := freshUID(worker, int64(round))
				begin := time.Now()
				old, err := call(client, url, template.body(uid), uid, to.allowed)
				tallies[worker].add(time.Since(begin), err)
				if round > 0 && old {
					reused.Add(1)
				}
				if broken(err) {
					lost.Add(1)
				}
			}
		})
	}
	group.Wait()
	all := summarise("idle", tallies, time.Since(start), connections)
	return idleReport{report: all, Reused: reused.Load(), Lost: lost.Load()}, nil
}

// call tells beside its error whether the connection was used before.
func call(client *http.Client, url string, body []byte, uid string, allowed bool) (bool, error) {
	old := false
	trace := &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) { old = got.Reused },
	}
	ctx := httptrace.WithClientTrace(context.Background(), trace)
	status, answer, err := post(ctx, client, url, webhookHeader, body)
	if err != nil {
		return old, err
	}
	return old, judge(status, answer, uid, allowed)
}

func broken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
