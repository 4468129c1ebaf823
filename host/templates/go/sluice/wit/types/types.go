// Package wit_types has the generic types that the generated bindings are written with.
package wit_types

// Tags of options and results.
const (
	OptionNone = 0
	OptionSome = 1
	ResultOk   = 0
	ResultErr  = 1
)

// Unit is no value.
type Unit struct{}

// Option is a value or none.
type Option[T any] struct {
	tag   uint8
	value T
}

// None is no value.
func None[T any]() Option[T] { return Option[T]{} }

// Some is a value.
func Some[T any](value T) Option[T] { return Option[T]{OptionSome, value} }

// Tag says which it is.
func (option Option[T]) Tag() uint8 { return option.tag }

// Some is the value; the zero value if there is none.
func (option Option[T]) Some() T { return option.value }

// Get is the value and whether there is one.
func (option Option[T]) Get() (T, bool) { return option.value, option.tag == OptionSome }

// Result is a value or an error.
type Result[T any, E any] struct {
	tag   uint8
	value T
	err   E
}

// Ok is a value.
func Ok[T any, E any](value T) Result[T, E] { return Result[T, E]{tag: ResultOk, value: value} }

// Err is an error.
func Err[T any, E any](err E) Result[T, E] { return Result[T, E]{tag: ResultErr, err: err} }

// Tag says which it is.
func (result Result[T, E]) Tag() uint8 { return result.tag }

// Ok is the value; the zero value if there is none.
func (result Result[T, E]) Ok() T { return result.value }

// Err is the error; the zero value if there is none.
func (result Result[T, E]) Err() E { return result.err }

// IsErr says whether it is an error.
func (result Result[T, E]) IsErr() bool { return result.tag == ResultErr }
