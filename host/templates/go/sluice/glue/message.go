package glue

import (
	"fmt"

	raw "local/{{NAME}}/build/bindings/sluice_plugin_types"
	"local/{{NAME}}/sluice"
	wit_types "local/{{NAME}}/sluice/wit/types"
)

// Request is a request of the gateway.
type Request struct{ raw *raw.Request }

// Response is an answer of the gateway.
type Response struct{ raw *raw.Response }

// Exchange is an exchange of the gateway.
type Exchange struct{ raw *raw.Exchange }

// MakeRequest wraps a request.
func MakeRequest(request *raw.Request) sluice.Request { return Request{request} }

// MakeResponse wraps an answer.
func MakeResponse(response *raw.Response) sluice.Response { return Response{response} }

// MakeExchange wraps an exchange.
func MakeExchange(exchange *raw.Exchange) sluice.Exchange { return Exchange{exchange} }

// Why an edit was refused, if it was.
func edited(what string, result wit_types.Result[wit_types.Unit, raw.EditError]) error {
	if !result.IsErr() {
		return nil
	}
	refused := result.Err()
	switch refused.Tag() {
	case raw.EditErrorInvalid:
		return fmt.Errorf("%s: %s", what, refused.Invalid())
	case raw.EditErrorForbidden:
		return fmt.Errorf("%s: %w", what, sluice.ErrForbidden)
	case raw.EditErrorReadOnly:
		return fmt.Errorf("%s: %w", what, sluice.ErrReadOnly)
	default:
		return fmt.Errorf("%s: too large: %s", what, refused.TooLarge())
	}
}

func (this Request) Header(name string) (string, bool) {
	value, found := this.raw.Header(name).Get()
	return string(value), found
}

func (this Request) HeaderValues(name string) []string {
	var values []string
	for _, value := range this.raw.HeaderValues(name) {
		values = append(values, string(value))
	}
	return values
}

func (this Request) Headers() []sluice.Field {
	var fields []sluice.Field
	for _, field := range this.raw.Headers() {
		fields = append(fields, sluice.Field{Name: field.Name, Value: string(field.Value)})
	}
	return fields
}

func (this Request) SetHeader(name, value string) error {
	return edited(name, this.raw.SetHeader(name, []byte(value)))
}

func (this Request) AppendHeader(name, value string) error {
	return edited(name, this.raw.AppendHeader(name, []byte(value)))
}

func (this Request) RemoveHeader(name string) error { return edited(name, this.raw.RemoveHeader(name)) }

func (this Request) Method() string { return this.raw.Method() }

func (this Request) Scheme() string { return this.raw.Scheme() }

func (this Request) Authority() string { return this.raw.Authority() }

func (this Request) Path() string { return this.raw.Path() }

func (this Request) SetMethod(method string) error { return edited("the method", this.raw.SetMethod(method)) }

func (this Request) SetPath(path string) error { return edited("the path", this.raw.SetPath(path)) }

func (this Request) Query() (string, bool) { return this.raw.Query().Get() }

func (this Request) SetQuery(query string) error {
	return edited("the query", this.raw.SetQuery(wit_types.Some(query)))
}

func (this Request) RemoveQuery() error { return edited("the query", this.raw.SetQuery(wit_types.None[string]())) }

func (this Request) Capture(name string) (string, bool) { return this.raw.Capture(name).Get() }

func (this Response) Header(name string) (string, bool) {
	value, found := this.raw.Header(name).Get()
	return string(value), found
}

func (this Response) HeaderValues(name string) []string {
	var values []string
	for _, value := range this.raw.HeaderValues(name) {
		values = append(values, string(value))
	}
	return values
}

func (this Response) Headers() []sluice.Field {
	var fields []sluice.Field
	for _, field := range this.raw.Headers() {
		fields = append(fields, sluice.Field{Name: field.Name, Value: string(field.Value)})
	}
	return fields
}

func (this Response) SetHeader(name, value string) error {
	return edited(name, this.raw.SetHeader(name, []byte(value)))
}

func (this Response) AppendHeader(name, value string) error {
	return edited(name, this.raw.AppendHeader(name, []byte(value)))
}

func (this Response) RemoveHeader(name string) error { return edited(name, this.raw.RemoveHeader(name)) }

func (this Response) Status() int { return int(this.raw.Status()) }

func (this Response) SetStatus(status int) error {
	return edited("the status", this.raw.SetStatus(uint16(max(0, min(status, 65535)))))
}

func (this Response) Origin() string {
	switch this.raw.Origin() {
	case raw.OriginUpstream:
		return "upstream"
	case raw.OriginPlugin:
		return "plugin"
	default:
		return "gateway"
	}
}

func (this Exchange) ID() string { return this.raw.Id() }

func (this Exchange) Route() string { return this.raw.Route() }

func (this Exchange) Listener() string { return this.raw.Listener() }

func (this Exchange) ClientAddress() string { return this.raw.ClientAddress() }

func (this Exchange) Identity() *sluice.Identity { return FromIdentity(this.raw.Identity()) }

func (this Exchange) State() []byte { return this.raw.State() }

func (this Exchange) SetState(state []byte) error { return edited("the state", this.raw.SetState(state)) }

func (this Exchange) Attribute(name string) (string, bool) { return this.raw.Attribute(name).Get() }

func (this Exchange) SetAttribute(name, value string) error {
	return edited(name, this.raw.SetAttribute(name, value))
}
