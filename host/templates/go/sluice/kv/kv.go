// Package kv keeps small values, shared by all instances of this plugin. Grant: kv.
package kv

import (
	"errors"
	"time"

	raw "local/{{NAME}}/build/bindings/sluice_plugin_kv"
	wit_types "local/{{NAME}}/sluice/wit/types"
)

// Errors.
var (
	ErrNotACounter = errors.New("the value isn't a counter")
	ErrUnavailable = errors.New("the store can't be reached")
)

// Get is nil if there is no such key.
func Get(key string) ([]byte, error) {
	result := raw.Get(key)
	if result.IsErr() {
		return nil, reason(result.Err())
	}
	value, found := result.Ok().Get()
	if found && value == nil {
		value = []byte{}
	}
	return value, nil
}

// Set keeps a value for a time; 0: it stays.
func Set(key string, value []byte, ttl time.Duration) error {
	result := raw.Set(key, value, millis(ttl))
	if result.IsErr() {
		return reason(result.Err())
	}
	return nil
}

// Delete says whether there was something to delete.
func Delete(key string) (bool, error) {
	result := raw.Delete(key)
	if result.IsErr() {
		return false, reason(result.Err())
	}
	return result.Ok(), nil
}

// Increment adds to a counter in one step. A new one ends after a time; 0: it stays.
func Increment(key string, by int64, ttl time.Duration) (int64, error) {
	result := raw.Increment(key, by, millis(ttl))
	if result.IsErr() {
		return 0, reason(result.Err())
	}
	return result.Ok(), nil
}

func millis(ttl time.Duration) wit_types.Option[uint64] {
	if ttl <= 0 {
		return wit_types.None[uint64]()
	}
	return wit_types.Some(uint64(ttl.Milliseconds()))
}

func reason(err raw.KvError) error {
	switch err.Tag() {
	case raw.KvErrorTooLarge:
		return errors.New(err.TooLarge())
	case raw.KvErrorNotACounter:
		return ErrNotACounter
	default:
		return ErrUnavailable
	}
}
