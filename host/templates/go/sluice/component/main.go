// Command component is the plugin as the gateway sees it.
package main

import (
	plugin "local/{{NAME}}"
	_ "local/{{NAME}}/build/bindings/wit_exports"
	"local/{{NAME}}/sluice/glue"
)

func init() { glue.Export(plugin.New()) }

func main() {}
