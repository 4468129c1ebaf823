package export_sluice_plugin_on_response_body

import (
	raw "{{MODULE}}/build/bindings/sluice_plugin_types"
	"{{MODULE}}/sluice"
	"{{MODULE}}/sluice/glue"
	wit_types "{{MODULE}}/sluice/wit/types"
)

func Handle(request *raw.Request, response *raw.Response, exchange *raw.Exchange, body []uint8) wit_types.Result[raw.BodyDecision, string] {
	defer glue.End(request, response, exchange)
	plugin, err := glue.As[sluice.ResponseBodyFilter]("on-response-body")
	if err != nil {
		return glue.ToBodyDecision(nil, err)
	}
	return glue.ToBodyDecision(plugin.OnResponseBody(glue.MakeRequest(request), glue.MakeResponse(response), glue.MakeExchange(exchange), body))
}
