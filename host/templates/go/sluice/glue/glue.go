// Package glue is between the generated bindings and the plugin.
package glue

import (
	"fmt"

	logging "local/{{NAME}}/build/bindings/sluice_plugin_log"
	raw "local/{{NAME}}/build/bindings/sluice_plugin_types"
	"local/{{NAME}}/sluice"
	wit_runtime "local/{{NAME}}/sluice/wit/runtime"
	wit_types "local/{{NAME}}/sluice/wit/types"
)

var plugin sluice.Plugin

// Export makes this the plugin.
func Export(this sluice.Plugin) {
	plugin = this
	sluice.Logger(func(level, text string) {
		levels := map[string]logging.Level{
			"debug": logging.LevelDebug, "info": logging.LevelInfo, "warn": logging.LevelWarn, "error": logging.LevelError,
		}
		logging.Log(levels[level], text)
	})
}

// Resource is a handle of the gateway.
type Resource interface{ Drop() }

// End is called when a hook returns: its handles are given back, and memory that the gateway wrote to may move on.
func End(resources ...Resource) {
	for _, resource := range resources {
		resource.Drop()
	}
	wit_runtime.Unpin()
}

// As is the plugin in its role.
func As[Role any](hook string) (Role, error) {
	role, is := plugin.(Role)
	if !is {
		return role, fmt.Errorf("wit/plugin.wit exports %s, but the plugin has no such method", hook)
	}
	return role, nil
}

// Unexpected is a decision that a hook can't take.
func Unexpected(decision any) error { return fmt.Errorf("the hook can't return %T", decision) }

// ToResponse is an answer for the gateway.
func ToResponse(answer *sluice.Answer) raw.LocalResponse {
	if answer == nil {
		answer = &sluice.Answer{}
	}
	response := raw.LocalResponse{Status: uint16(max(0, min(answer.Status, 65535))), Body: answer.Body}
	for _, field := range answer.Headers {
		response.Headers = append(response.Headers, raw.Field{Name: field.Name, Value: []byte(field.Value)})
	}
	return response
}

// ToIdentity is an identity for the gateway.
func ToIdentity(identity sluice.Identity) raw.Identity {
	made := raw.Identity{Subject: identity.Subject, Claims: identity.Claims}
	if identity.Issuer != "" {
		made.Issuer = wit_types.Some(identity.Issuer)
	}
	if identity.ExpiresAt != 0 {
		made.ExpiresAt = wit_types.Some(identity.ExpiresAt)
	}
	if made.Claims == "" {
		made.Claims = "{}"
	}
	return made
}

// FromIdentity is an identity for the plugin.
func FromIdentity(option wit_types.Option[raw.Identity]) *sluice.Identity {
	identity, found := option.Get()
	if !found {
		return nil
	}
	return &sluice.Identity{
		Subject:   identity.Subject,
		Issuer:    identity.Issuer.Some(),
		ExpiresAt: identity.ExpiresAt.Some(),
		Claims:    identity.Claims,
	}
}

// ToQuota is a quota for the gateway.
func ToQuota(quota sluice.Quota) raw.Quota { return raw.Quota(quota) }

// ToDecision is what a hook that sees heads decided.
func ToDecision(decision sluice.Decision, err error) wit_types.Result[raw.Decision, string] {
	if err == nil {
		switch decision := decision.(type) {
		case sluice.Continue:
			return wit_types.Ok[raw.Decision, string](raw.MakeDecisionContinue())
		case sluice.NeedBody:
			return wit_types.Ok[raw.Decision, string](raw.MakeDecisionNeedBody())
		case sluice.Respond:
			return wit_types.Ok[raw.Decision, string](raw.MakeDecisionRespond(ToResponse(decision.Answer)))
		}
		err = Unexpected(decision)
	}
	return wit_types.Err[raw.Decision, string](err.Error())
}

// ToBodyDecision is what a hook that sees bodies decided.
func ToBodyDecision(decision sluice.BodyDecision, err error) wit_types.Result[raw.BodyDecision, string] {
	if err == nil {
		switch decision := decision.(type) {
		case sluice.Continue:
			return wit_types.Ok[raw.BodyDecision, string](raw.MakeBodyDecisionContinue())
		case sluice.Replace:
			return wit_types.Ok[raw.BodyDecision, string](raw.MakeBodyDecisionReplace(decision.Body))
		case sluice.Respond:
			return wit_types.Ok[raw.BodyDecision, string](raw.MakeBodyDecisionRespond(ToResponse(decision.Answer)))
		}
		err = Unexpected(decision)
	}
	return wit_types.Err[raw.BodyDecision, string](err.Error())
}

// ToResult is what a hook returned.
func ToResult[T any](value T, err error) wit_types.Result[T, string] {
	if err != nil {
		return wit_types.Err[T, string](err.Error())
	}
	return wit_types.Ok[T, string](value)
}

// Configure hands the configuration to the plugin.
func Configure(config string) wit_types.Result[wit_types.Unit, string] {
	defer End()
	return ToResult(wit_types.Unit{}, plugin.Configure([]byte(config)))
}
