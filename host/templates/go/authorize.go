// Package plugin is {{NAME}}: everybody may look, admins may change things.
package plugin

import (
	"encoding/json"
	"errors"
	"slices"

	"local/{{NAME}}/sluice"
)

// New makes the plugin; every instance has one.
func New() sluice.Authorizer { return &admins{} }

type admins struct {
	Admins []string
}

func (plugin *admins) Configure(config []byte) error {
	if err := json.Unmarshal(config, plugin); err != nil {
		return err
	}
	if plugin.Admins == nil {
		return errors.New("admins: must be a list of subjects")
	}
	return nil
}

func (plugin *admins) Authorize(
	request sluice.Request, _ sluice.Exchange, identity *sluice.Identity,
) (sluice.Authorization, error) {
	isAdmin := identity != nil && slices.Contains(plugin.Admins, identity.Subject)
	if isAdmin || request.Method() == "GET" {
		return sluice.Allowed{}, nil
	}
	return sluice.Denied{Answer: sluice.Problem(403, "Only admins may change things")}, nil
}
