// Command load puts load on an admission webhook, or on a kube-apiserver in front of one, as they
// meet it in a cluster, and prints what it measured as one line of JSON.
//
//	load review  POST one AdmissionReview again and again to a webhook
//	load press   the same from a client that takes as little CPU as can be
//	load create  create pods through a kube-apiserver
//	load idle    POST, leave the connections alone for a while, POST again
//
// Wrong answers count as errors and stay out of the quantiles; the exit code speaks of the
// measurement itself: 0 measured, 2 could not be set up.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

func main() {
	modes := map[string]func([]string) (any, error){
		"review": review,
		"press":  press,
		"create": create,
		"idle":   idle,
	}
	if len(os.Args) < 2 || modes[os.Args[1]] == nil {
		fail(fmt.Errorf("usage: load review|press|create|idle [flags]; load MODE -h shows them"))
	}
	report, err := modes[os.Args[1]](os.Args[2:])
	if err != nil {
		fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "load:", err)
	os.Exit(2)
}
