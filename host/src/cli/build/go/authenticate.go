package export_sluice_plugin_authenticate

import (
	authenticate "{{MODULE}}/build/bindings/sluice_plugin_authenticate"
	raw "{{MODULE}}/build/bindings/sluice_plugin_types"
	"{{MODULE}}/sluice"
	"{{MODULE}}/sluice/glue"
	wit_types "{{MODULE}}/sluice/wit/types"
)

type result = wit_types.Result[authenticate.Authentication, string]

func Authenticate(request *raw.Request, exchange *raw.Exchange) result {
	defer glue.End(request, exchange)
	plugin, err := glue.As[sluice.Authenticator]("authenticate")
	if err != nil {
		return wit_types.Err[authenticate.Authentication, string](err.Error())
	}
	decided, err := plugin.Authenticate(glue.MakeRequest(request), glue.MakeExchange(exchange))
	if err != nil {
		return wit_types.Err[authenticate.Authentication, string](err.Error())
	}
	switch decided := decided.(type) {
	case sluice.Identity:
		return ok(authenticate.MakeAuthenticationIdentified(glue.ToIdentity(decided)))
	case *sluice.Identity:
		return ok(authenticate.MakeAuthenticationIdentified(glue.ToIdentity(*decided)))
	case sluice.NoCredentials:
		return ok(authenticate.MakeAuthenticationNoCredentials())
	case sluice.Denied:
		return ok(authenticate.MakeAuthenticationDenied(glue.ToResponse(decided.Answer)))
	}
	return wit_types.Err[authenticate.Authentication, string](glue.Unexpected(decided).Error())
}

func ok(value authenticate.Authentication) result { return wit_types.Ok[authenticate.Authentication, string](value) }
