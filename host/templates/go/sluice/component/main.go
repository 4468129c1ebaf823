// Command component is the plugin as the gateway sees it.
package main

import (
	plugin "{{NAME}}"
	_ "{{NAME}}/build/bindings/wit_exports"
	"{{NAME}}/sluice/glue"
)

func init() { glue.Export(plugin.New()) }

func main() {}
