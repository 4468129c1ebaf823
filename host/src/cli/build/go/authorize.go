package export_sluice_plugin_authorize

import (
	authorize "{{MODULE}}/build/bindings/sluice_plugin_authorize"
	raw "{{MODULE}}/build/bindings/sluice_plugin_types"
	"{{MODULE}}/sluice"
	"{{MODULE}}/sluice/glue"
	wit_types "{{MODULE}}/sluice/wit/types"
)

type result = wit_types.Result[authorize.Authorization, string]

func Authorize(request *raw.Request, exchange *raw.Exchange, identity wit_types.Option[raw.Identity]) result {
	defer glue.End(request, exchange)
	plugin, err := glue.As[sluice.Authorizer]("authorize")
	if err != nil {
		return wit_types.Err[authorize.Authorization, string](err.Error())
	}
	decided, err := plugin.Authorize(glue.MakeRequest(request), glue.MakeExchange(exchange), glue.FromIdentity(identity))
	if err != nil {
		return wit_types.Err[authorize.Authorization, string](err.Error())
	}
	switch decided := decided.(type) {
	case sluice.Allowed:
		return wit_types.Ok[authorize.Authorization, string](authorize.MakeAuthorizationAllowed())
	case sluice.Denied:
		return wit_types.Ok[authorize.Authorization, string](authorize.MakeAuthorizationDenied(glue.ToResponse(decided.Answer)))
	}
	return wit_types.Err[authorize.Authorization, string](glue.Unexpected(decided).Error())
}
