package main

import (
	"context"
	"flag"
	"time"
)

// target is a webhook and the answer that is right.
type target struct {
	url, ca, body string
	timeout       time.Duration
	allowed       bool
}

func (t *target) declare(flags *flag.FlagSet) {
	flags.StringVar(&t.url, "url", "", "of the webhook")
	flags.StringVar(&t.ca, "ca", "", "file with the CA's certificate")
	flags.StringVar(&t.body, "body", "", "file with an AdmissionReview")
	flags.DurationVar(&t.timeout, "timeout", 10*time.Second, "of each call; the webhook is told")
	flags.BoolVar(&t.allowed, "allowed", true, "the answer that is right")
}

func (p *pace) declare(flags *flag.FlagSet) {
	flags.IntVar(&p.workers, "c", 1, "calls at the same time, at most")
	flags.Int64Var(&p.turns, "n", 0, "calls altogether")
	flags.DurationVar(&p.duration, "duration", 0, "for so long")
	flags.Float64Var(&p.rate, "rate", 0, "open loop: calls a second")
}

func review(args []string) (any, error) {
	var to target
	var speed pace
	flags := flag.NewFlagSet("load review", flag.ExitOnError)
	to.declare(flags)
	speed.declare(flags)
	uid := flags.String("uid", "", "of every review (default a fresh one each time)")
	flags.Parse(args)
	if err := speed.check(); err != nil {
		return nil, err
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
	client, err := newClient(to.ca, to.timeout, connections)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	tallies := run(speed, func(worker int, turn int64) error {
		name := *uid
		if name == "" {
			name = freshUID(worker, turn)
		}
		body := template.body(name)
		status, answer, err := post(context.Background(), client, url, webhookHeader, body)
		if err != nil {
			return err
		}
		return judge(status, answer, name, to.allowed)
	})
	return summarise("review", tallies, time.Since(start), connections), nil
}
