package export_sluice_plugin_lifecycle

import (
	"{{MODULE}}/sluice/glue"
	wit_types "{{MODULE}}/sluice/wit/types"
)

func Configure(config string) wit_types.Result[wit_types.Unit, string] { return glue.Configure(config) }
