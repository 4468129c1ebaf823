package export_sluice_plugin_aggregate

import (
	raw "{{MODULE}}/build/bindings/sluice_plugin_types"
	"{{MODULE}}/sluice"
	"{{MODULE}}/sluice/glue"
	wit_types "{{MODULE}}/sluice/wit/types"
)

func Handle(request *raw.Request, exchange *raw.Exchange) wit_types.Result[raw.LocalResponse, string] {
	defer glue.End(request, exchange)
	plugin, err := glue.As[sluice.Aggregator]("aggregate")
	if err != nil {
		return glue.ToResult(raw.LocalResponse{}, err)
	}
	answer, err := plugin.Aggregate(glue.MakeRequest(request), glue.MakeExchange(exchange))
	return glue.ToResult(glue.ToResponse(answer), err)
}
