// Package plugin is {{NAME}}: it lets a word neither in nor out.
package plugin

import (
	"bytes"
	"encoding/json"
	"errors"

	"local/{{NAME}}/sluice"
)

// New makes the plugin; every instance has one.
func New() sluice.Filter { return &censor{} }

type censor struct {
	Word string
}

func (plugin *censor) Configure(config []byte) error {
	if err := json.Unmarshal(config, plugin); err != nil {
		return err
	}
	if plugin.Word == "" {
		return errors.New("`word` is needed")
	}
	return nil
}

func (plugin *censor) OnRequest(sluice.Request, sluice.Exchange) (sluice.Decision, error) {
	return sluice.NeedBody{}, nil
}

func (plugin *censor) OnRequestBody(_ sluice.Request, _ sluice.Exchange, body []byte) (sluice.BodyDecision, error) {
	if bytes.Contains(body, []byte(plugin.Word)) {
		return sluice.Respond{Answer: sluice.Problem(422, "That word isn't let in")}, nil
	}
	return sluice.Continue{}, nil
}

func (plugin *censor) OnResponse(sluice.Request, sluice.Response, sluice.Exchange) (sluice.Decision, error) {
	return sluice.NeedBody{}, nil
}

func (plugin *censor) OnResponseBody(
	_ sluice.Request, _ sluice.Response, _ sluice.Exchange, body []byte,
) (sluice.BodyDecision, error) {
	if !bytes.Contains(body, []byte(plugin.Word)) {
		return sluice.Continue{}, nil
	}
	return sluice.Replace{Body: bytes.ReplaceAll(body, []byte(plugin.Word), []byte("***"))}, nil
}
