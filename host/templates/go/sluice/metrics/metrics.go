// Package metrics has numbers of the plugin's own, in the gateway's /metrics. Grant: metrics.
package metrics

import (
	"errors"

	raw "local/{{NAME}}/build/bindings/sluice_plugin_metrics"
	wit_types "local/{{NAME}}/sluice/wit/types"
)

// Labels name a series. Never use what a client sends as it is: the number of series is bounded.
type Labels map[string]string

// Add adds to a counter.
func Add(name string, labels Labels, by uint64) error { return done(raw.Add(name, list(labels), by)) }

// Set sets a gauge.
func Set(name string, labels Labels, value float64) error { return done(raw.Set(name, list(labels), value)) }

// Observe records a value in a histogram.
func Observe(name string, labels Labels, value float64) error {
	return done(raw.Observe(name, list(labels), value))
}

func list(labels Labels) []raw.Label {
	var made []raw.Label
	for name, value := range labels {
		made = append(made, raw.Label{Name: name, Value: value})
	}
	return made
}

func done(result wit_types.Result[wit_types.Unit, string]) error {
	if result.IsErr() {
		return errors.New(result.Err())
	}
	return nil
}
