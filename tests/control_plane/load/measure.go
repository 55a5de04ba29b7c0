package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// report is what a run prints; latencies are those of right answers.
type report struct {
	Mode           string           `json:"mode"`
	Requests       int64            `json:"requests"`
	Errors         int64            `json:"errors"`
	Seconds        float64          `json:"seconds"`
	RPS            float64          `json:"rps"` // right answers a second
	Mean           float64          `json:"mean_us"`
	P50            float64          `json:"p50_us"`
	P90            float64          `json:"p90_us"`
	P99            float64          `json:"p99_us"`
	P999           float64          `json:"p999_us"`
	Max            float64          `json:"max_us"`
	NewConnections int64            `json:"new_connections"`
	Faults         map[string]int64 `json:"faults,omitempty"` // by message
}

// tally is what one worker saw.
type tally struct {
	latencies []time.Duration
	faults    map[string]int64
}

func (t *tally) add(latency time.Duration, err error) {
	if err == nil {
		t.latencies = append(t.latencies, latency)
		return
	}
	if t.faults == nil {
		t.faults = map[string]int64{}
	}
	t.faults[cause(err)]++
}

// cause leaves out addresses and ports, so that equal faults read equal.
func cause(err error) string {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err.Error()
}

// pace says when the turns begin, and when there are no more of them.
type pace struct {
	workers  int
	turns    int64         // at most so many; 0: no limit
	duration time.Duration // turns begin for so long; 0: no limit
	rate     float64       // turns a second, come what may; 0: each worker as fast as it is answered
}

func (p pace) check() error {
	if p.workers < 1 || p.turns < 0 || p.duration < 0 || p.rate < 0 {
		return fmt.Errorf("-c must be 1 or more, and no number negative")
	}
	if p.turns == 0 && p.duration == 0 {
		return fmt.Errorf("say when to stop: -n or -duration")
	}
	return nil
}

// run gives turns to workers until the pace says stop. With a rate, a turn that had to wait for a
// worker counts from when it was due, so a slow server cannot hide its queue; a worker that slept
// until its turn counts from when it woke, so our own timer does not count against the server.
func run(p pace, turn func(worker int, turn int64) error) []tally {
	tallies := make([]tally, p.workers)
	var next atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	for worker := range p.workers {
		group.Go(func() {
			for {
				number := next.Add(1) - 1
				begin := time.Now()
				if p.rate > 0 {
					due := start.Add(time.Duration(float64(number) / p.rate * float64(time.Second)))
					if wait := due.Sub(begin); wait > 0 && !p.over(number, due.Sub(start)) {
						time.Sleep(wait)
						begin = time.Now()
					} else {
						begin = due
					}
				}
				if p.over(number, begin.Sub(start)) {
					return
				}
				err := turn(worker, number)
				tallies[worker].add(time.Since(begin), err)
			}
		})
	}
	group.Wait()
	return tallies
}

func (p pace) over(number int64, elapsed time.Duration) bool {
	return p.turns > 0 && number >= p.turns || p.duration > 0 && elapsed >= p.duration
}

// summarise takes the time from the first turn to the last answer.
func summarise(mode string, tallies []tally, took time.Duration, connections *counter) report {
	result := report{Mode: mode, Seconds: took.Seconds(), Faults: map[string]int64{}}
	var all []time.Duration
	var sum time.Duration
	for _, one := range tallies {
		all = append(all, one.latencies...)
		for fault, times := range one.faults {
			if _, known := result.Faults[fault]; !known && len(result.Faults) >= 10 {
				fault = "others" // messages may name each pod
			}
			result.Faults[fault] += times
			result.Errors += times
		}
	}
	slices.Sort(all)
	for _, latency := range all {
		sum += latency
	}
	result.Requests = int64(len(all)) + result.Errors
	result.RPS = float64(len(all)) / took.Seconds()
	result.NewConnections = connections.opened.Load()
	if len(all) > 0 {
		result.Mean = microseconds(sum) / float64(len(all))
		result.P50, result.P90 = quantile(all, 0.5), quantile(all, 0.9)
		result.P99, result.P999 = quantile(all, 0.99), quantile(all, 0.999)
		result.Max = microseconds(all[len(all)-1])
	}
	return result
}

// quantile is the smallest latency that at least the share q does not exceed.
func quantile(sorted []time.Duration, q float64) float64 {
	rank := int(math.Ceil(q * float64(len(sorted))))
	return microseconds(sorted[max(rank, 1)-1])
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
