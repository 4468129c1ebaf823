// Package clock tells the time. Grant: clock. The package time of Go doesn't know it.
package clock

import (
	"time"

	raw "local/{{NAME}}/build/bindings/sluice_plugin_clock"
)

// Now is the time.
func Now() time.Time { return time.Unix(0, int64(raw.Now())).UTC() }

// Monotonic is since some fixed moment; it never goes back.
func Monotonic() time.Duration { return time.Duration(raw.Monotonic()) }
