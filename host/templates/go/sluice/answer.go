package sluice

import "encoding/json"

// Answer is an answer that a plugin makes.
type Answer struct {
	Status  int
	Headers []Field
	Body    []byte
}

// Text is an answer in plain text.
func Text(status int, text string) *Answer {
	return typed(status, "text/plain; charset=utf-8", []byte(text))
}

// JSON is an answer in JSON. A value that can't be written as JSON is a mistake of the plugin, and panics.
func JSON(status int, value any) *Answer {
	return typed(status, "application/json", marshal(value))
}

// Problem is a problem document (RFC 9457). The title goes to the client.
func Problem(status int, title string) *Answer {
	body := marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
	}{title, status})
	return typed(status, "application/problem+json", body)
}

// With adds a field, and returns the answer.
func (answer *Answer) With(name, value string) *Answer {
	answer.Headers = append(answer.Headers, Field{name, value})
	return answer
}

func typed(status int, contentType string, body []byte) *Answer {
	fields := []Field{
		{"content-type", contentType},
	}
	return &Answer{status, fields, body}
}

func marshal(value any) []byte {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return body
}
