// Package random has randomness that nobody can foresee. Grant: random. That of Go's packages is the same in every instance.
package random

import raw "local/{{NAME}}/build/bindings/sluice_plugin_random"

// Bytes are at most 4096.
func Bytes(count uint32) []byte { return raw.Bytes(count) }
