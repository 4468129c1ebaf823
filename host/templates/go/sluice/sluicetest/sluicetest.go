// Package sluicetest has requests, answers and exchanges for `go test`. They take every edit; what the gateway refuses shows
// in `sluice plugin test`.
package sluicetest

import (
	"strings"

	"local/{{NAME}}/sluice"
)

// Message has header fields, by their names in lower case.
type Message struct{ Fields []sluice.Field }

// Request is a request.
type Request struct {
	Message
	TheMethod, ThePath, TheQuery string
	Captures                     map[string]string
}

// Response is an answer.
type Response struct {
	Message
	TheStatus int
}

// Exchange is an exchange.
type Exchange struct {
	Caller     *sluice.Identity
	TheState   []byte
	Attributes map[string]string
}

// Get is a request.
func Get(path string, fields ...sluice.Field) *Request {
	return &Request{Message: Message{fields}, TheMethod: "GET", ThePath: path}
}

func (message *Message) Header(name string) (string, bool) {
	values := message.HeaderValues(name)
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

func (message *Message) HeaderValues(name string) []string {
	var values []string
	for _, field := range message.Fields {
		if strings.EqualFold(field.Name, name) {
			values = append(values, field.Value)
		}
	}
	return values
}

func (message *Message) Headers() []sluice.Field { return message.Fields }

func (message *Message) SetHeader(name, value string) error {
	message.RemoveHeader(name)
	return message.AppendHeader(name, value)
}

func (message *Message) AppendHeader(name, value string) error {
	message.Fields = append(message.Fields, sluice.Field{Name: strings.ToLower(name), Value: value})
	return nil
}

func (message *Message) RemoveHeader(name string) error {
	var kept []sluice.Field
	for _, field := range message.Fields {
		if !strings.EqualFold(field.Name, name) {
			kept = append(kept, field)
		}
	}
	message.Fields = kept
	return nil
}

func (request *Request) Method() string                { return request.TheMethod }
func (request *Request) SetMethod(method string) error { request.TheMethod = method; return nil }
func (request *Request) Scheme() string                { return "http" }
func (request *Request) Authority() string             { return "localhost" }
func (request *Request) Path() string                  { return request.ThePath }
func (request *Request) SetPath(path string) error     { request.ThePath = path; return nil }
func (request *Request) Query() (string, bool)         { return request.TheQuery, request.TheQuery != "" }
func (request *Request) SetQuery(query string) error   { request.TheQuery = query; return nil }
func (request *Request) RemoveQuery() error            { request.TheQuery = ""; return nil }
func (request *Request) Capture(name string) (string, bool) {
	value, found := request.Captures[name]
	return value, found
}

func (response *Response) Status() int                { return response.TheStatus }
func (response *Response) SetStatus(status int) error { response.TheStatus = status; return nil }
func (response *Response) Origin() string             { return "upstream" }

func (exchange *Exchange) ID() string                  { return "1" }
func (exchange *Exchange) Route() string               { return "test" }
func (exchange *Exchange) Listener() string            { return "test" }
func (exchange *Exchange) ClientAddress() string       { return "192.0.2.1" }
func (exchange *Exchange) Identity() *sluice.Identity  { return exchange.Caller }
func (exchange *Exchange) State() []byte               { return exchange.TheState }
func (exchange *Exchange) SetState(state []byte) error { exchange.TheState = state; return nil }
func (exchange *Exchange) Attribute(name string) (string, bool) {
	value, found := exchange.Attributes[name]
	return value, found
}

func (exchange *Exchange) SetAttribute(name, value string) error {
	if exchange.Attributes == nil {
		exchange.Attributes = map[string]string{}
	}
	exchange.Attributes[name] = value
	return nil
}
