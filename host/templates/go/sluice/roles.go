package sluice

// Plugin is what all plugins have. An error of a hook is a failure of the plugin, not of the caller: "on_error" says what
// follows.
type Plugin interface {
	// Configure is called once in every instance, with the configuration as JSON. An error refuses it.
	Configure(config []byte) error
}

// Authenticator is role authenticate.
type Authenticator interface {
	Plugin
	// Authenticate returns Identity, NoCredentials or Denied.
	Authenticate(request Request, exchange Exchange) (Authentication, error)
}

// Authorizer is role authorize.
type Authorizer interface {
	Plugin
	// Authorize returns Allowed or Denied. The identity is nil for anonymous requests.
	Authorize(request Request, exchange Exchange, identity *Identity) (Authorization, error)
}

// RateLimiter is role rate-limit.
type RateLimiter interface {
	Plugin
	// Check returns Admitted or Rejected.
	Check(request Request, exchange Exchange) (Verdict, error)
}

// Filter is role filter.
type Filter interface {
	Plugin
	// OnRequest returns Continue, Respond or, of a RequestBodyFilter, NeedBody.
	OnRequest(request Request, exchange Exchange) (Decision, error)
	// OnResponse returns Continue, Respond or, of a ResponseBodyFilter, NeedBody.
	OnResponse(request Request, response Response, exchange Exchange) (Decision, error)
}

// RequestBodyFilter sees whole bodies of requests: export on-request-body in wit/plugin.wit.
type RequestBodyFilter interface {
	// OnRequestBody returns Continue, Replace or Respond.
	OnRequestBody(request Request, exchange Exchange, body []byte) (BodyDecision, error)
}

// ResponseBodyFilter sees whole bodies of answers: export on-response-body in wit/plugin.wit.
type ResponseBodyFilter interface {
	// OnResponseBody returns Continue, Replace or Respond.
	OnResponseBody(request Request, response Response, exchange Exchange, body []byte) (BodyDecision, error)
}

// RequestChunkFilter sees bodies of requests in pieces: export on-request-chunk in wit/plugin.wit. One instance sees all
// pieces of a message and nothing else meanwhile: fields keep what is needed.
type RequestChunkFilter interface {
	// OnRequestChunk returns what goes on in place of this piece.
	OnRequestChunk(exchange Exchange, chunk []byte, last bool) ([]byte, error)
}

// ResponseChunkFilter sees bodies of answers in pieces: export on-response-chunk in wit/plugin.wit.
type ResponseChunkFilter interface {
	// OnResponseChunk returns what goes on in place of this piece.
	OnResponseChunk(exchange Exchange, chunk []byte, last bool) ([]byte, error)
}

// Aggregator is role aggregate.
type Aggregator interface {
	Plugin
	Aggregate(request Request, exchange Exchange) (*Answer, error)
}

// Balancer is role balance.
type Balancer interface {
	Plugin
	// Pick returns one of the endpoints; nil leaves the choice to the gateway.
	Pick(endpoints []Endpoint, context PickContext) *Endpoint
}

// Authentication is Identity, NoCredentials or Denied.
type Authentication interface{ authentication() }

// Authorization is Allowed or Denied.
type Authorization interface{ authorization() }

// Verdict is Admitted or Rejected.
type Verdict interface{ verdict() }

// Decision is Continue, Respond or NeedBody.
type Decision interface{ decision() }

// BodyDecision is Continue, Replace or Respond.
type BodyDecision interface{ bodyDecision() }

// NoCredentials: another authenticator may find some.
type NoCredentials struct{}

// Denied: answer with this.
type Denied struct{ Answer *Answer }

// Allowed: they may.
type Allowed struct{}

// Admitted: go on; a quota says how much is left.
type Admitted struct{ Quota *Quota }

// Rejected: the gateway answers 429.
type Rejected struct{ Quota Quota }

// Continue: go on.
type Continue struct{}

// NeedBody: call the body hook before anything is sent on.
type NeedBody struct{}

// Respond: stop here and answer with this.
type Respond struct{ Answer *Answer }

// Replace: send this body instead.
type Replace struct{ Body []byte }

func (Identity) authentication()      {}
func (NoCredentials) authentication() {}
func (Denied) authentication()        {}
func (Denied) authorization()         {}
func (Allowed) authorization()        {}
func (Admitted) verdict()             {}
func (Rejected) verdict()             {}
func (Continue) decision()            {}
func (NeedBody) decision()            {}
func (Respond) decision()             {}
func (Continue) bodyDecision()        {}
func (Replace) bodyDecision()         {}
func (Respond) bodyDecision()         {}
