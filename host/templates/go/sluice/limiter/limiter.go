// Package limiter has rate limits that are exact, on one machine and on a fleet. Grant: limiter.
package limiter

import (
	"errors"
	"time"

	raw "local/{{NAME}}/build/bindings/sluice_plugin_limiter"
	"local/{{NAME}}/sluice"
)

// Limit is so many tokens in each period, and at most Burst at once.
type Limit struct {
	Rate   uint64
	Period time.Duration
	Burst  uint64
}

// Outcome is how it went.
type Outcome struct {
	Admitted   bool
	Remaining  uint64
	Reset      time.Duration
	RetryAfter time.Duration
}

// Take takes tokens, or none of them.
func Take(key string, limit Limit, cost uint64) (Outcome, error) {
	result := raw.Take(key, raw.Limit{
		Rate:     limit.Rate,
		PeriodMs: uint64(limit.Period.Milliseconds()),
		Burst:    limit.Burst,
	}, cost)
	if result.IsErr() {
		return Outcome{}, errors.New(result.Err())
	}
	outcome := result.Ok()
	return Outcome{
		Admitted:   outcome.Admitted,
		Remaining:  outcome.Remaining,
		Reset:      time.Duration(outcome.ResetMs) * time.Millisecond,
		RetryAfter: time.Duration(outcome.RetryAfterMs) * time.Millisecond,
	}, nil
}

// Check takes one token and is the verdict of a RateLimiter.
func Check(policy, key string, rate uint64, period time.Duration) (sluice.Verdict, error) {
	outcome, err := Take(key, Limit{rate, period, rate}, 1)
	if err != nil {
		return nil, err
	}
	quota := sluice.Quota{
		Policy:       policy,
		Limit:        rate,
		WindowMs:     uint64(period.Milliseconds()),
		Remaining:    outcome.Remaining,
		ResetMs:      uint64(outcome.Reset.Milliseconds()),
		RetryAfterMs: uint64(outcome.RetryAfter.Milliseconds()),
	}
	if outcome.Admitted {
		return sluice.Admitted{Quota: &quota}, nil
	}
	return sluice.Rejected{Quota: quota}, nil
}
