package plugin

import (
	"testing"

	"local/{{NAME}}/sluice"
	"local/{{NAME}}/sluice/sluicetest"
)

func TestOnlyAdminsChangeThings(t *testing.T) {
	plugin := New()
	if err := plugin.Configure([]byte(`{"admins": ["alice"]}`)); err != nil {
		t.Fatal(err)
	}
	request := sluicetest.Get("/")
	request.TheMethod = "DELETE"
	for subject, allowed := range map[string]bool{"alice": true, "bob": false} {
		decided, err := plugin.Authorize(request, &sluicetest.Exchange{}, &sluice.Identity{Subject: subject})
		if _, is := decided.(sluice.Allowed); is != allowed || err != nil {
			t.Error(subject, decided, err)
		}
	}
}
