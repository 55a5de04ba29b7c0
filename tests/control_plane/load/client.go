package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"time"
)

// counter tells how many connections were opened.
type counter struct{ opened atomic.Int64 }

// newClient talks as the webhook client of kube-apiserver does: client-go's transport (25 idle
// connections a host for 90 s, no session cache, so never a resumed session) with HTTP/1.1 alone.
func newClient(caFile string, timeout time.Duration, connections *counter) (*http.Client, error) {
	roots, err := readRoots(caFile)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{
			RootCAs:    roots,
			MinVersion: tls.VersionTLS12,
			NextProtos: []string{"http/1.1"},
		},
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 25,
		IdleConnTimeout:     90 * time.Second,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			connections.opened.Add(1)
			return dialer.DialContext(ctx, network, address)
		},
	}
	return &http.Client{Transport: transport, Timeout: timeout}, nil
}

func readRoots(caFile string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", caFile)
	}
	return roots, nil
}

// post sends one body and returns the status and the whole answer, so that the connection can be
// used again.
func post(ctx context.Context, client *http.Client, to string, header http.Header, body []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// address adds a query to a URL, where the URL does not have that key already. It refuses servers
// elsewhere: load is for those that the tests started on this machine.
func address(to, key, value string) (string, error) {
	parsed, err := url.Parse(to)
	if err != nil {
		return "", err
	}
	host := parsed.Hostname()
	if ip := net.ParseIP(host); parsed.Scheme != "https" || host != "localhost" && !ip.IsLoopback() {
		return "", fmt.Errorf("%q must be https on a loopback address", to)
	}
	query := parsed.Query()
	if !query.Has(key) {
		query.Set(key, value)
		parsed.RawQuery = query.Encode()
	}
	return parsed.String(), nil
}
