package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"projhost/front"
	"projhost/front/gateway"
	"projhost/status"
)

const (
	liveTime = 10 * time.Second // default of how long a server may take to answer
	maxLive  = 1 << 30          // bytes of an answer
)

// ask asks a running server for the rows.
func (f *listFlags) ask(ctx context.Context) (rep status.Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	client, base, err := liveClient(f.live)
	if err != nil {
		return rep, fmt.Errorf("--live %s: %w", f.live, err)
	}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+gateway.OwnPrefix+status.JSONName+"?"+f.query.Values().Encode(), http.NoBody)
	if err != nil {
		return rep, err
	}
	if f.keyFile != "" {
		word, err := readSecret(f.keyFile)
		if err != nil {
			return rep, fmt.Errorf("--%s: %w", adminKeyFlag, err)
		}
		r.Header.Set("Authorization", "Bearer "+word)
	}
	resp, err := client.Do(r)
	if err != nil {
		return rep, failed(err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return rep, failed(fmt.Errorf("%s tells nothing: is it an --admin-listen, or is the right --%s given?", f.live, adminKeyFlag))
	default:
		return rep, failed(fmt.Errorf("%s answers %s", f.live, resp.Status))
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxLive)).Decode(&rep); err != nil {
		return rep, failed(fmt.Errorf("%s: the answer is not that of a projhost: %w", f.live, err))
	}
	return rep, nil
}

// liveClient reaches a server: by its listener's address, or by that of a site.
// A key goes nowhere else: redirects are not followed.
func liveClient(address string) (client *http.Client, base string, err error) {
	client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if u, err := url.Parse(address); err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" {
		return client, strings.TrimRight(address, "/"), nil
	}
	a, err := front.ParseTarget(address)
	if err != nil {
		return nil, "", err
	}
	if p := a.Protocol(); p != "http" {
		return nil, "", fmt.Errorf("%s cannot be asked: name the http address of an --admin-listen", p)
	}
	client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return a.Dial(ctx) }}
	return client, "http://localhost" + a.Settings()[gateway.SettingRoot], nil
}
