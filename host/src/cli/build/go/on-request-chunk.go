package export_sluice_plugin_on_request_chunk

import (
	raw "{{MODULE}}/build/bindings/sluice_plugin_types"
	"{{MODULE}}/sluice"
	"{{MODULE}}/sluice/glue"
	wit_types "{{MODULE}}/sluice/wit/types"
)

func Handle(exchange *raw.Exchange, chunk []uint8, last bool) wit_types.Result[[]uint8, string] {
	defer glue.End(exchange)
	plugin, err := glue.As[sluice.RequestChunkFilter]("on-request-chunk")
	if err != nil {
		return glue.ToResult[[]uint8](nil, err)
	}
	return glue.ToResult(plugin.OnRequestChunk(glue.MakeExchange(exchange), chunk, last))
}
