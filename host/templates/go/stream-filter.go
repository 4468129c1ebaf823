// Package plugin is {{NAME}}: it makes capitals of requests, and counts the bytes of answers, while they pass.
package plugin

import (
	"bytes"
	"fmt"

	"local/{{NAME}}/sluice"
)

// New makes the plugin; every instance has one.
func New() sluice.Filter { return &passer{} }

// All pieces of an exchange meet one instance, and it meets no others.
type passer struct {
	count int
}

func (plugin *passer) Configure([]byte) error { return nil }

func (plugin *passer) OnRequest(sluice.Request, sluice.Exchange) (sluice.Decision, error) {
	return sluice.Continue{}, nil
}

func (plugin *passer) OnRequestChunk(_ sluice.Exchange, chunk []byte, _ bool) ([]byte, error) {
	return bytes.ToUpper(chunk), nil
}

func (plugin *passer) OnResponse(sluice.Request, sluice.Response, sluice.Exchange) (sluice.Decision, error) {
	return sluice.Continue{}, nil
}

func (plugin *passer) OnResponseChunk(_ sluice.Exchange, chunk []byte, last bool) ([]byte, error) {
	plugin.count += len(chunk)
	if last {
		return fmt.Appendf(chunk, "[%d]", plugin.count), nil
	}
	return chunk, nil
}
