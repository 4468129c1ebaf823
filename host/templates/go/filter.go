// Package plugin is {{NAME}}: it marks requests and answers, and removes what others needn't see.
package plugin

import (
	"encoding/json"
	"errors"

	"local/{{NAME}}/sluice"
)

// New makes the plugin; every instance has one.
func New() sluice.Filter { return &greeter{} }

type greeter struct {
	Greeting string
}

func (plugin *greeter) Configure(config []byte) error {
	if err := json.Unmarshal(config, plugin); err != nil {
		return err
	}
	if plugin.Greeting == "" {
		return errors.New("`greeting` is needed")
	}
	return nil
}

func (plugin *greeter) OnRequest(request sluice.Request, _ sluice.Exchange) (sluice.Decision, error) {
	if request.Path() == "/coffee" {
		return sluice.Respond{Answer: sluice.Text(418, "I'm a teapot")}, nil
	}
	if err := request.SetHeader("x-greeting", plugin.Greeting); err != nil {
		return nil, err
	}
	return sluice.Continue{}, request.RemoveHeader("x-debug")
}

func (plugin *greeter) OnResponse(
	_ sluice.Request, response sluice.Response, _ sluice.Exchange,
) (sluice.Decision, error) {
	if err := response.SetHeader("x-greeting", plugin.Greeting); err != nil {
		return nil, err
	}
	return sluice.Continue{}, response.RemoveHeader("x-powered-by")
}
