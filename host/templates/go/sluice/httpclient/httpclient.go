// Package httpclient asks the clusters that the grant names. Grant: http-client.
package httpclient

import (
	"errors"
	"time"

	raw "local/{{NAME}}/build/bindings/sluice_plugin_http_client"
	"local/{{NAME}}/sluice"
	wit_types "local/{{NAME}}/sluice/wit/types"
)

// Request goes to a cluster. Target is path and query; Method "" is GET; Timeout 0 is the cluster's own.
type Request struct {
	Cluster string
	Method  string
	Target  string
	Headers []sluice.Field
	Body    []byte
	Timeout time.Duration
}

// Response is an answer, or Err says why there is none.
type Response struct {
	Status  int
	Headers []sluice.Field
	Body    []byte
	Err     error
}

// Errors.
var (
	ErrNotGranted   = errors.New("not-granted")
	ErrTimeout      = errors.New("timeout")
	ErrUnavailable  = errors.New("unavailable")
	ErrTooLarge     = errors.New("too-large")
	ErrLoopDetected = errors.New("loop-detected")
	ErrTooManyCalls = errors.New("too-many-calls")
)

// OK says whether there is an answer and its status is 200 to 299.
func (response Response) OK() bool {
	return response.Err == nil && response.Status >= 200 && response.Status <= 299
}

// Send sends one request.
func Send(request Request) Response { return SendAll(request)[0] }

// SendAll sends all at once, in parallel; the answers are in the order of the requests.
func SendAll(requests ...Request) []Response {
	var sent []raw.OutgoingRequest
	for _, request := range requests {
		sent = append(sent, outgoing(request))
	}
	answers := make([]Response, 0, len(requests))
	for _, result := range raw.SendAll(sent) {
		if result.IsErr() {
			answers = append(answers, Response{Err: reason(result.Err())})
			continue
		}
		answer := Response{Status: int(result.Ok().Status), Body: result.Ok().Body}
		for _, field := range result.Ok().Headers {
			answer.Headers = append(answer.Headers, sluice.Field{Name: field.Name, Value: string(field.Value)})
		}
		answers = append(answers, answer)
	}
	return answers
}

func outgoing(request Request) raw.OutgoingRequest {
	made := raw.OutgoingRequest{
		Cluster: request.Cluster,
		Method:  request.Method,
		Target:  request.Target,
		Body:    request.Body,
	}
	if made.Method == "" {
		made.Method = "GET"
	}
	if request.Timeout > 0 {
		made.TimeoutMs = wit_types.Some(uint32(max(1, request.Timeout.Milliseconds())))
	}
	for _, field := range request.Headers {
		made.Headers = append(made.Headers, raw.Field{Name: field.Name, Value: []byte(field.Value)})
	}
	return made
}

func reason(err raw.ClientError) error {
	switch err.Tag() {
	case raw.ClientErrorNotGranted:
		return ErrNotGranted
	case raw.ClientErrorInvalid:
		return errors.New(err.Invalid())
	case raw.ClientErrorTimeout:
		return ErrTimeout
	case raw.ClientErrorTooLarge:
		return ErrTooLarge
	case raw.ClientErrorLoopDetected:
		return ErrLoopDetected
	case raw.ClientErrorTooManyCalls:
		return ErrTooManyCalls
	default:
		return ErrUnavailable
	}
}
