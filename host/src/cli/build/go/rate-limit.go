package export_sluice_plugin_rate_limit

import (
	rate_limit "{{MODULE}}/build/bindings/sluice_plugin_rate_limit"
	raw "{{MODULE}}/build/bindings/sluice_plugin_types"
	"{{MODULE}}/sluice"
	"{{MODULE}}/sluice/glue"
	wit_types "{{MODULE}}/sluice/wit/types"
)

type result = wit_types.Result[rate_limit.Verdict, string]

func Check(request *raw.Request, exchange *raw.Exchange) result {
	defer glue.End(request, exchange)
	plugin, err := glue.As[sluice.RateLimiter]("rate-limit")
	if err != nil {
		return wit_types.Err[rate_limit.Verdict, string](err.Error())
	}
	decided, err := plugin.Check(glue.MakeRequest(request), glue.MakeExchange(exchange))
	if err != nil {
		return wit_types.Err[rate_limit.Verdict, string](err.Error())
	}
	switch decided := decided.(type) {
	case sluice.Admitted:
		quota := wit_types.None[raw.Quota]()
		if decided.Quota != nil {
			quota = wit_types.Some(glue.ToQuota(*decided.Quota))
		}
		return wit_types.Ok[rate_limit.Verdict, string](rate_limit.MakeVerdictAdmitted(quota))
	case sluice.Rejected:
		return wit_types.Ok[rate_limit.Verdict, string](rate_limit.MakeVerdictRejected(glue.ToQuota(decided.Quota)))
	}
	return wit_types.Err[rate_limit.Verdict, string](glue.Unexpected(decided).Error())
}
