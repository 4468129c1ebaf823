package export_sluice_plugin_on_request

import (
	raw "{{MODULE}}/build/bindings/sluice_plugin_types"
	"{{MODULE}}/sluice"
	"{{MODULE}}/sluice/glue"
	wit_types "{{MODULE}}/sluice/wit/types"
)

func Handle(request *raw.Request, exchange *raw.Exchange) wit_types.Result[raw.Decision, string] {
	defer glue.End(request, exchange)
	plugin, err := glue.As[sluice.Filter]("on-request")
	if err != nil {
		return glue.ToDecision(nil, err)
	}
	return glue.ToDecision(plugin.OnRequest(glue.MakeRequest(request), glue.MakeExchange(exchange)))
}
