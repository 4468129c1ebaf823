package plugin

import (
	"testing"

	"local/{{NAME}}/sluice"
	"local/{{NAME}}/sluice/sluicetest"
)

func TestRequestsAreMarked(t *testing.T) {
	plugin := New()
	if err := plugin.Configure([]byte(`{"greeting": "hello"}`)); err != nil {
		t.Fatal(err)
	}
	request := sluicetest.Get("/", sluice.Field{Name: "x-debug", Value: "1"})
	decided, err := plugin.OnRequest(request, &sluicetest.Exchange{})
	if decided != (sluice.Continue{}) || err != nil {
		t.Error(decided, err)
	}
	if greeting, _ := request.Header("x-greeting"); greeting != "hello" || len(request.Fields) != 1 {
		t.Error(request.Fields)
	}
}
