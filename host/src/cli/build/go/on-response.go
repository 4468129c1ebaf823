package export_sluice_plugin_on_response

import (
	raw "{{MODULE}}/build/bindings/sluice_plugin_types"
	"{{MODULE}}/sluice"
	"{{MODULE}}/sluice/glue"
	wit_types "{{MODULE}}/sluice/wit/types"
)

func Handle(request *raw.Request, response *raw.Response, exchange *raw.Exchange) wit_types.Result[raw.Decision, string] {
	defer glue.End(request, response, exchange)
	plugin, err := glue.As[sluice.Filter]("on-response")
	if err != nil {
		return glue.ToDecision(nil, err)
	}
	return glue.ToDecision(plugin.OnResponse(glue.MakeRequest(request), glue.MakeResponse(response), glue.MakeExchange(exchange)))
}
