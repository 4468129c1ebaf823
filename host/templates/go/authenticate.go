// Package plugin is {{NAME}}: it knows its callers by a token.
package plugin

import (
	"encoding/json"
	"errors"

	"local/{{NAME}}/sluice"
)

// New makes the plugin; every instance has one.
func New() sluice.Authenticator { return &tokens{} }

type tokens struct {
	Token   string
	Subject string
}

func (plugin *tokens) Configure(config []byte) error {
	if err := json.Unmarshal(config, plugin); err != nil {
		return err
	}
	if plugin.Token == "" || plugin.Subject == "" {
		return errors.New("`token` and `subject` are needed")
	}
	return nil
}

func (plugin *tokens) Authenticate(request sluice.Request, _ sluice.Exchange) (sluice.Authentication, error) {
	token, found := request.Header("x-token")
	if !found {
		return sluice.NoCredentials{}, nil
	}
	if token != plugin.Token {
		return sluice.Denied{Answer: sluice.Problem(401, "The token isn't valid").With("www-authenticate", "Token")}, nil
	}
	if err := request.RemoveHeader("x-token"); err != nil {
		return nil, err
	}
	return sluice.Identity{Subject: plugin.Subject}, nil
}
