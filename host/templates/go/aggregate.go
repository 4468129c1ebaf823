// Package plugin is {{NAME}}: a user and their orders in one answer.
package plugin

import (
	"encoding/json"
	"strconv"

	"local/{{NAME}}/sluice"
	"local/{{NAME}}/sluice/httpclient"
)

// New makes the plugin; every instance has one.
func New() sluice.Aggregator { return overview{} }

type overview struct{}

func (overview) Configure([]byte) error { return nil }

func (overview) Aggregate(request sluice.Request, _ sluice.Exchange) (*sluice.Answer, error) {
	id, _ := request.Capture("id")
	if _, err := strconv.ParseUint(id, 10, 64); err != nil {
		return sluice.Problem(404, "There is no such user"), nil
	}
	answers := httpclient.SendAll(
		httpclient.Request{Cluster: "users", Target: "/users/" + id},
		httpclient.Request{Cluster: "orders", Target: "/orders?user=" + id},
	)
	user, orders := answers[0], answers[1]
	if !user.OK() || !json.Valid(user.Body) {
		return sluice.Problem(502, "The user can't be had"), nil
	}
	whole := map[string]json.RawMessage{"user": user.Body}
	if !orders.OK() || !json.Valid(orders.Body) {
		return sluice.JSON(200, whole).With("x-partial", "orders"), nil
	}
	whole["orders"] = orders.Body
	return sluice.JSON(200, whole), nil
}
