package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// mark stands in a body where no two reviews shall be alike; it is as long as a uid.
const mark = "no-two-reviews-have-the-same-in-here"

// wire is one connection that speaks HTTP/1.1 by itself, with the header of the API server: a call
// costs a fraction of what net/http takes, so one core can load a server that has the other.
type wire struct {
	address string
	tls     *tls.Config
	timeout time.Duration
	request []byte // whole; the uid stands at uid
	uid     []byte // a window of request
	unlike  []byte // another, where the body has the mark
	want    [][]byte
	anyUID  bool
	conn    *tls.Conn
	reader  *bufio.Reader
	answer  []byte
}

func (w *wire) dial() error {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: w.timeout}, Config: w.tls}
	conn, err := dialer.DialContext(context.Background(), "tcp", w.address)
	if err != nil {
		return err
	}
	w.conn, w.reader = conn.(*tls.Conn), bufio.NewReader(conn)
	return nil
}

func (w *wire) close() {
	if w.conn != nil {
		w.conn.Close()
		w.conn = nil
	}
}

// call sends the review under a uid of its own and looks whether the answer is right.
func (w *wire) call(worker int, turn int64) error {
	if w.conn == nil {
		if err := w.dial(); err != nil {
			return err
		}
	}
	copy(w.uid, freshUID(worker, turn))
	copy(w.unlike, w.uid)
	w.conn.SetDeadline(time.Now().Add(w.timeout))
	if _, err := w.conn.Write(w.request); err != nil {
		w.close()
		return err
	}
	status, err := w.read()
	if err != nil {
		w.close()
		return err
	}
	return w.judge(status)
}

// read takes an answer that says its length, which is all that a webhook sends.
func (w *wire) read() (int, error) {
	line, err := w.reader.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	status, _ := strconv.Atoi(string(line[min(9, len(line)):min(12, len(line))]))
	length := -1
	for {
		line, err := w.reader.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, fmt.Errorf("an answer without Content-Length")
	}
	if length > cap(w.answer) {
		w.answer = make([]byte, length)
	}
	w.answer = w.answer[:length]
	_, err = io.ReadFull(w.reader, w.answer)
	return status, err
}

// judge reads no JSON: that would cost more than the call.
func (w *wire) judge(status int) error {
	if status != http.StatusOK {
		return fmt.Errorf("HTTP %d", status)
	}
	if !w.anyUID && !bytes.Contains(w.answer, w.uid) {
		return fmt.Errorf("the uid of another review")
	}
	for _, want := range w.want {
		if !bytes.Contains(w.answer, want) {
			return fmt.Errorf("no %s in the answer", want)
		}
	}
	return nil
}

func press(args []string) (any, error) {
	var to target
	var speed pace
	flags := flag.NewFlagSet("load press", flag.ExitOnError)
	to.declare(flags)
	speed.declare(flags)
	want := flags.String("want", "", "text that must be in each answer besides its verdict")
	anyUID := flags.Bool("any-uid", false, "the webhook's answer is fixed")
	fresh := flags.Bool("fresh", false, "a new connection for each call")
	flags.Parse(args)
	if err := speed.check(); err != nil {
		return nil, err
	}
	wires, err := lay(to, speed.workers)
	if err != nil {
		return nil, err
	}
	for _, one := range wires {
		one.anyUID = *anyUID
		if *want != "" {
			one.want = append(one.want, []byte(*want))
		}
		if !*fresh {
			if err := one.dial(); err != nil {
				return nil, err
			}
		}
		defer one.close()
	}
	connections := &counter{}
	start := time.Now()
	tallies := run(speed, func(worker int, turn int64) error {
		one := wires[worker]
		if one.conn == nil {
			connections.opened.Add(1)
		}
		err := one.call(worker, turn)
		if *fresh {
			one.close()
		}
		return err
	})
	return summarise("press", tallies, time.Since(start), connections), nil
}

// lay prepares a wire for each worker; none is connected yet.
func lay(to target, workers int) ([]*wire, error) {
	template, err := readTemplate(to.body)
	if err != nil {
		return nil, err
	}
	full, err := address(to.url, "timeout", to.timeout.String())
	if err != nil {
		return nil, err
	}
	parsed, err := url.Parse(full)
	if err != nil {
		return nil, err
	}
	roots, err := readRoots(to.ca)
	if err != nil {
		return nil, err
	}
	settings := &tls.Config{
		RootCAs:    roots,
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		ServerName: parsed.Hostname(),
	}
	verdict := []byte(fmt.Sprintf(`"allowed":%t`, to.allowed))
	wires := make([]*wire, workers)
	for i := range wires {
		request, uid := write(parsed, template)
		wires[i] = &wire{
			address: parsed.Host, tls: settings, timeout: to.timeout,
			request: request, uid: uid, unlike: window(request, mark), want: [][]byte{verdict},
		}
	}
	return wires, nil
}

// write gives a whole request, and the window in it where its uid stands.
func write(to *url.URL, t template) (request, uid []byte) {
	blank := freshUID(0, 0)
	body := t.body(blank)
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\n"+
		"User-Agent: kube-apiserver-admission\r\nContent-Length: %d\r\n"+
		"Accept: application/json, */*\r\nContent-Type: application/json\r\n"+
		"Accept-Encoding: gzip\r\n\r\n", to.RequestURI(), to.Host, len(body))
	request = append([]byte(head), body...)
	begin := len(head) + len(t.before) + 1
	return request, request[begin : begin+len(blank)]
}

// window gives the part of the request where the text stands, if it does.
func window(request []byte, text string) []byte {
	begin := bytes.Index(request, []byte(text))
	if begin < 0 {
		return nil
	}
	return request[begin : begin+len(text)]
}
