package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

var webhookHeader = http.Header{
	"Content-Type": {"application/json"},
	"Accept":       {"application/json, */*"},
	"User-Agent":   {"kube-apiserver-admission"},
}

// template is an AdmissionReview whose uid can be replaced without decoding it again.
type template struct{ before, after []byte }

func readTemplate(file string) (template, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return template{}, err
	}
	var review struct {
		Request struct{ UID string }
	}
	if err := json.Unmarshal(raw, &review); err != nil {
		return template{}, fmt.Errorf("%s: %w", file, err)
	}
	uid := []byte(`"` + review.Request.UID + `"`)
	if review.Request.UID == "" || bytes.Count(raw, uid) != 1 {
		return template{}, fmt.Errorf("%s: request.uid must be there, and %s only once", file, uid)
	}
	before, after, _ := bytes.Cut(raw, uid)
	return template{before, after}, nil
}

func (t template) body(uid string) []byte {
	return bytes.Join([][]byte{t.before, t.after}, []byte(`"`+uid+`"`))
}

// freshUID has the form and the length of a real one and never comes twice.
func freshUID(worker int, turn int64) string {
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", worker, turn)
}

// judge says what is wrong with a webhook's answer.
func judge(status int, answer []byte, uid string, allowed bool) error {
	if status != http.StatusOK {
		return fmt.Errorf("HTTP %d", status)
	}
	var review struct {
		Kind     string
		Response *struct {
			UID     string
			Allowed bool
		}
	}
	if err := json.Unmarshal(answer, &review); err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	switch {
	case review.Kind != "AdmissionReview" || review.Response == nil:
		return fmt.Errorf("not an AdmissionReview with a response")
	case review.Response.UID != uid:
		return fmt.Errorf("the uid of another review")
	case review.Response.Allowed != allowed:
		return fmt.Errorf("allowed is %t", review.Response.Allowed)
	}
	return nil
}
