// Package plugin is {{NAME}}: so many requests of one client in a time.
package plugin

import (
	"encoding/json"
	"errors"
	"time"

	"local/{{NAME}}/sluice"
	"local/{{NAME}}/sluice/limiter"
)

// New makes the plugin; every instance has one.
func New() sluice.RateLimiter { return &perClient{} }

type perClient struct {
	Rate  uint64
	PerMs uint64 `json:"per_ms"`
}

func (plugin *perClient) Configure(config []byte) error {
	if err := json.Unmarshal(config, plugin); err != nil {
		return err
	}
	if plugin.Rate < 1 || plugin.PerMs < 1 {
		return errors.New("`rate` and `per_ms` must be at least 1")
	}
	return nil
}

func (plugin *perClient) Check(_ sluice.Request, exchange sluice.Exchange) (sluice.Verdict, error) {
	return limiter.Check("per-client", exchange.ClientAddress(), plugin.Rate, time.Duration(plugin.PerMs)*time.Millisecond)
}
