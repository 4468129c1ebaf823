// Package plugin tries each capability, as the request's path asks for.
package plugin

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"local/filter/sluice"
	"local/filter/sluice/clock"
	"local/filter/sluice/crypto"
	"local/filter/sluice/httpclient"
	"local/filter/sluice/kv"
	"local/filter/sluice/limiter"
	"local/filter/sluice/metrics"
	"local/filter/sluice/random"
)

// New makes the plugin.
func New() sluice.Filter { return tries{} }

type tries struct{}

func (tries) Configure([]byte) error { return nil }

func (tries) OnRequest(request sluice.Request, _ sluice.Exchange) (sluice.Decision, error) {
	seen, err := try(request.Path())
	if err != nil {
		return nil, err
	}
	return sluice.Continue{}, request.SetHeader("x-seen", strings.TrimSpace(fmt.Sprintln(seen...)))
}

func (tries) OnResponse(sluice.Request, sluice.Response, sluice.Exchange) (sluice.Decision, error) {
	return sluice.Continue{}, nil
}

type list = []any

func try(path string) (list, error) {
	switch path {
	case "/log":
		sluice.Info("a line")
		return list{"logged"}, nil
	case "/clock":
		before := clock.Monotonic()
		return list{clock.Now().Year() > 2020, clock.Monotonic() >= before}, nil
	case "/random":
		a, b := random.Bytes(16), random.Bytes(16)
		return list{len(a), len(b), bytes.Equal(a, b)}, nil
	case "/kv":
		return tryKV()
	case "/kv-failure":
		if err := kv.Set("text", []byte("abc"), 0); err != nil {
			return nil, err
		}
		outcome := "counted"
		if _, err := kv.Increment("text", 1, 0); err == kv.ErrNotACounter {
			outcome = "failed"
		}
		value, err := kv.Get("text")
		return list{outcome, string(value)}, err
	case "/limiter":
		return tryLimiter()
	case "/metrics":
		return list{
			metrics.Add("seen", metrics.Labels{"kind": "a"}, 2) == nil,
			metrics.Set("level", nil, 0.5) == nil,
			metrics.Observe("size", nil, 7) == nil,
			metrics.Add("no name", nil, 1) == nil,
		}, nil
	case "/send":
		answer := httpclient.Send(httpclient.Request{
			Cluster: "users", Method: "POST", Target: "/new?a=b", Body: []byte("body"), Timeout: time.Second,
			Headers: []sluice.Field{{Name: "x-a", Value: "1"}},
		})
		made := ""
		for _, field := range answer.Headers {
			if field.Name == "x-made" {
				made = field.Value
			}
		}
		return list{answer.Status, made, string(answer.Body)}, answer.Err
	case "/batch":
		answers := httpclient.SendAll(
			httpclient.Request{Cluster: "users", Target: "/1"}, httpclient.Request{Cluster: "users", Target: "/2"},
			httpclient.Request{Cluster: "slow", Target: "/"}, httpclient.Request{Cluster: "other", Target: "/"},
		)
		two := answers[1]
		return list{answers[0].Status, two.Status, string(two.Body), answers[2].Err, answers[3].Err}, nil
	case "/crypto":
		return tryCrypto()
	}
	return nil, fmt.Errorf("no capability %s", path)
}

func tryKV() (list, error) {
	for _, key := range []string{"value", "count"} {
		if _, err := kv.Delete(key); err != nil {
			return nil, err
		}
	}
	none, err := kv.Get("value")
	if none != nil || err != nil {
		return list{"found", none}, err
	}
	if err := kv.Set("value", []byte("v1"), time.Minute); err != nil {
		return nil, err
	}
	value, _ := kv.Get("value")
	two, _ := kv.Increment("count", 2, 0)
	five, _ := kv.Increment("count", 3, 0)
	first, _ := kv.Delete("count")
	second, err := kv.Delete("count")
	return list{"none", string(value), two, five, first, second}, err
}

func tryLimiter() (list, error) {
	var admitted list
	for range 3 {
		outcome, err := limiter.Take("a", limiter.Limit{Rate: 2, Period: time.Hour, Burst: 2}, 1)
		if err != nil {
			return nil, err
		}
		admitted = append(admitted, outcome.Admitted)
	}
	return admitted, nil
}

func tryCrypto() (list, error) {
	// RFC 8032, section 7.1, test 2.
	point, _ := hex.DecodeString("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
	signature, _ := hex.DecodeString("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
		"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")
	digest, err := crypto.Digest(crypto.SHA256, []byte("abc"))
	if err != nil {
		return nil, err
	}
	code, err := crypto.HMAC(crypto.SHA256, []byte("key"), []byte("The quick brown fox jumps over the lazy dog"))
	if err != nil {
		return nil, err
	}
	good, err := crypto.Verify(crypto.EdDSA, crypto.Point(point), []byte{0x72}, signature)
	if err != nil {
		return nil, err
	}
	bad, err := crypto.Verify(crypto.EdDSA, crypto.Point(point), []byte{0x73}, signature)
	a, b := []byte("a"), []byte("b")
	return list{hex.EncodeToString(digest)[:8], hex.EncodeToString(code)[:8], crypto.Equal(a, a), crypto.Equal(a, b), good, bad}, err
}
