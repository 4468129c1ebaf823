// Package sluice is what a plugin in Go is made with: an interface for each role, and what its hooks work with. The packages
// beside it are the capabilities; using one imports it. sluicetest has doubles for tests.
package sluice

import (
	"errors"
	"fmt"
	"os"
)

// Field is a header field. Names are lower case.
type Field struct {
	Name, Value string
}

// Message is what requests and responses have in common.
type Message interface {
	// Header is the first value of a field.
	Header(name string) (value string, found bool)
	// HeaderValues are all values of a field, in order.
	HeaderValues(name string) []string
	// Headers are all fields in order.
	Headers() []Field
	SetHeader(name, value string) error
	AppendHeader(name, value string) error
	RemoveHeader(name string) error
}

// Request can be changed in the hooks of the request phase.
type Request interface {
	Message
	Method() string
	SetMethod(method string) error
	Scheme() string
	Authority() string
	// Path is normalized and percent-encoded, without the query.
	Path() string
	SetPath(path string) error
	Query() (query string, found bool)
	SetQuery(query string) error
	RemoveQuery() error
	// Capture is what {name} in the route's path matched.
	Capture(name string) (value string, found bool)
}

// Response is the answer on its way to the client.
type Response interface {
	Message
	Status() int
	SetStatus(status int) error
	// Origin is "upstream", "plugin" or "gateway".
	Origin() string
}

// Exchange is one request and its answer: what is known besides.
type Exchange interface {
	ID() string
	Route() string
	Listener() string
	ClientAddress() string
	// Identity is nil if nobody was identified.
	Identity() *Identity
	// State is what an earlier hook of this plugin kept for this exchange.
	State() []byte
	SetState(state []byte) error
	// Attribute is what a plugin published, by "plugin-name.attribute-name".
	Attribute(name string) (value string, found bool)
	SetAttribute(name, value string) error
}

// Identity is who sends a request.
type Identity struct {
	Subject string
	// Issuer is "" if there is none.
	Issuer string
	// ExpiresAt is in seconds since the Unix epoch; 0: it doesn't end.
	ExpiresAt uint64
	// Claims is a JSON object; "" is an empty one.
	Claims string
}

// Quota is the state of one limit.
type Quota struct {
	Policy       string
	Limit        uint64
	WindowMs     uint64
	Remaining    uint64
	ResetMs      uint64
	RetryAfterMs uint64
}

// Endpoint is one that a Balancer chooses from.
type Endpoint struct {
	Index   uint32
	Address string
	// Zone is "" if it has none.
	Zone   string
	Weight uint32
	// InFlight are requests of this gateway that haven't ended.
	InFlight uint32
	// LatencyUs is to the first byte, a moving average; 0 if unknown.
	LatencyUs uint64
	Healthy   bool
	// Failures in a row.
	Failures uint32
	// Tried by this exchange.
	Tried bool
}

// PickContext is what an endpoint is wanted for.
type PickContext interface {
	Cluster() string
	// Attempt is 1 for the first try.
	Attempt() uint32
	ClientAddress() (address string, found bool)
	Identity() *Identity
	Header(name string) (value string, found bool)
	Path() (path string, found bool)
}

// Errors of edits.
var (
	ErrForbidden = errors.New("the field belongs to the gateway")
	ErrReadOnly  = errors.New("this can only be read in this hook")
)

var logger = func(level, text string) { fmt.Fprintf(os.Stderr, "%s: %s\n", level, text) }

// Logger is for the glue: where lines go.
func Logger(to func(level, text string)) { logger = to }

// Debug, Info, Warn and Error write a line of the gateway's log, as fmt.Sprintf formats it.
func Debug(format string, arguments ...any) { logger("debug", fmt.Sprintf(format, arguments...)) }
func Info(format string, arguments ...any)  { logger("info", fmt.Sprintf(format, arguments...)) }
func Warn(format string, arguments ...any)  { logger("warn", fmt.Sprintf(format, arguments...)) }
func Error(format string, arguments ...any) { logger("error", fmt.Sprintf(format, arguments...)) }
