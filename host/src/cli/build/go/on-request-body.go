package export_sluice_plugin_on_request_body

import (
	raw "{{MODULE}}/build/bindings/sluice_plugin_types"
	"{{MODULE}}/sluice"
	"{{MODULE}}/sluice/glue"
	wit_types "{{MODULE}}/sluice/wit/types"
)

func Handle(request *raw.Request, exchange *raw.Exchange, body []uint8) wit_types.Result[raw.BodyDecision, string] {
	defer glue.End(request, exchange)
	plugin, err := glue.As[sluice.RequestBodyFilter]("on-request-body")
	if err != nil {
		return glue.ToBodyDecision(nil, err)
	}
	return glue.ToBodyDecision(plugin.OnRequestBody(glue.MakeRequest(request), glue.MakeExchange(exchange), body))
}
