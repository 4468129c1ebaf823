// Package plugin is {{NAME}}: it picks the least busy endpoint.
package plugin

import "local/{{NAME}}/sluice"

// New makes the plugin; every instance has one.
func New() sluice.Balancer { return leastBusy{} }

type leastBusy struct{}

func (leastBusy) Configure([]byte) error { return nil }

func (leastBusy) Pick(endpoints []sluice.Endpoint, _ sluice.PickContext) *sluice.Endpoint {
	var best *sluice.Endpoint
	for index := range endpoints {
		each := &endpoints[index]
		if each.Healthy && !each.Tried && (best == nil || each.InFlight < best.InFlight) {
			best = each
		}
	}
	return best
}
