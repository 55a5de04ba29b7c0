package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// create has one connection for each client, with HTTP/1.1: what is compared is what happens
// behind the API server, and that protocol takes the least from the cores they share.
func create(args []string) (any, error) {
	var speed pace
	flags := flag.NewFlagSet("load create", flag.ExitOnError)
	speed.declare(flags)
	server := flags.String("server", "", "URL of the kube-apiserver")
	ca := flags.String("ca", "", "file with the CA's certificate")
	token := flags.String("token", "", "of the user (default: the variable LOAD_TOKEN)")
	namespace := flags.String("namespace", "default", "to create pods in")
	pod := flags.String("pod", "", "file with a pod that has a generateName, .json or .yaml")
	dryRun := flags.Bool("dry-run", true, "admit, and store nothing")
	timeout := flags.Duration("timeout", 30*time.Second, "of each call")
	flags.Parse(args)
	if err := speed.check(); err != nil {
		return nil, err
	}
	body, err := os.ReadFile(*pod)
	if err != nil {
		return nil, err
	}
	if *token == "" {
		*token = os.Getenv("LOAD_TOKEN")
	}
	pods := fmt.Sprintf("%s/api/v1/namespaces/%s/pods", strings.TrimSuffix(*server, "/"), *namespace)
	url, err := address(pods, "fieldManager", "load")
	if err != nil {
		return nil, err
	}
	if *dryRun {
		url += "&dryRun=All"
	}
	header := http.Header{
		"Content-Type":  {"application/" + strings.TrimPrefix(filepath.Ext(*pod), ".")},
		"Accept":        {"application/json"},
		"Authorization": {"Bearer " + *token},
	}
	connections := &counter{}
	clients := make([]*http.Client, speed.workers)
	for i := range clients {
		if clients[i], err = newClient(*ca, *timeout, connections); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	tallies := run(speed, func(worker int, _ int64) error {
		status, answer, err := post(context.Background(), clients[worker], url, header, body)
		if err != nil {
			return err
		}
		return created(status, answer)
	})
	return summarise("create", tallies, time.Since(start), connections), nil
}

// created tells what the API server said where it did not create.
func created(status int, answer []byte) error {
	if status == http.StatusCreated {
		return nil
	}
	var said struct{ Message string }
	_ = json.Unmarshal(answer, &said) // no JSON: the status says enough
	return fmt.Errorf("HTTP %d: %s", status, said.Message)
}
