package export_sluice_plugin_balance

import (
	endpoints "{{MODULE}}/build/bindings/sluice_plugin_endpoints"
	"{{MODULE}}/sluice"
	"{{MODULE}}/sluice/glue"
	wit_types "{{MODULE}}/sluice/wit/types"
)

func Pick(context *endpoints.PickContext, list *endpoints.EndpointList) wit_types.Option[uint32] {
	defer glue.End(list, context)
	plugin, err := glue.As[sluice.Balancer]("balance")
	if err != nil {
		sluice.Error("%v", err)
		return wit_types.None[uint32]()
	}
	var all []sluice.Endpoint
	for index := range list.Len() {
		each := list.Get(index).Some()
		all = append(all, sluice.Endpoint{
			Index:     index,
			Address:   list.Address(index).Some(),
			Zone:      list.Zone(index).Some(),
			Weight:    each.Weight,
			InFlight:  each.InFlight,
			LatencyUs: each.LatencyUs,
			Healthy:   each.Healthy,
			Failures:  each.Failures,
			Tried:     context.Tried(index),
		})
	}
	if picked := plugin.Pick(all, about{context}); picked != nil {
		return wit_types.Some(picked.Index)
	}
	return wit_types.None[uint32]()
}

// What the endpoint is wanted for.
type about struct{ raw *endpoints.PickContext }

func (this about) Cluster() string { return this.raw.Cluster() }

func (this about) Attempt() uint32 { return this.raw.Attempt() }

func (this about) ClientAddress() (string, bool) { return this.raw.ClientAddress().Get() }

func (this about) Identity() *sluice.Identity { return glue.FromIdentity(this.raw.Identity()) }

func (this about) Header(name string) (string, bool) {
	value, found := this.raw.Header(name).Get()
	return string(value), found
}

func (this about) Path() (string, bool) { return this.raw.Path().Get() }
