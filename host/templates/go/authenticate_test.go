package plugin

import (
	"testing"

	"local/{{NAME}}/sluice"
	"local/{{NAME}}/sluice/sluicetest"
)

func TestATokenIdentifies(t *testing.T) {
	plugin := New()
	if err := plugin.Configure([]byte(`{"token": "open-sesame", "subject": "alice"}`)); err != nil {
		t.Fatal(err)
	}
	request := sluicetest.Get("/", sluice.Field{Name: "x-token", Value: "open-sesame"})
	decided, err := plugin.Authenticate(request, &sluicetest.Exchange{})
	if identity, is := decided.(sluice.Identity); !is || identity.Subject != "alice" || err != nil {
		t.Error(decided, err)
	}
	if _, found := request.Header("x-token"); found {
		t.Error("the token goes on")
	}
}
