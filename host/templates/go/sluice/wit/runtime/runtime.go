// Package runtime is what the generated bindings need: handles, and memory that the gateway writes to.
package runtime

import (
	"runtime"
	"unsafe"
)

// Handle is a resource of the gateway.
type Handle struct {
	value int32
}

// MakeHandle keeps a handle.
func MakeHandle(value int32) *Handle { return &Handle{value} }

// Use is the handle's number.
func (handle *Handle) Use() int32 {
	if handle.value == 0 {
		panic("a request, response or exchange was used after its hook")
	}
	return handle.value
}

// Take gives the handle away.
func (handle *Handle) Take() int32 {
	value := handle.Use()
	handle.value = 0
	return value
}

// TakeOrNil gives the handle away, if it is there.
func (handle *Handle) TakeOrNil() int32 {
	value := handle.value
	handle.value = 0
	return value
}

// Set makes it another handle.
func (handle *Handle) Set(value int32) { handle.value = value }

// AddCleanup does nothing: handles are given back when their hook ends.
func AddCleanup[T, S any](*T, func(S), S) {}

// Allocate makes memory that stays where it is until it is unpinned.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	var pointer unsafe.Pointer
	if align > 1 {
		pointer = unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	} else {
		pointer = unsafe.Pointer(unsafe.SliceData(make([]byte, size)))
	}
	pinner.Pin(pointer)
	return pointer
}

// What the gateway has handed over, until the bindings have taken it up.
var handedOver runtime.Pinner

// Unpin is called when the bindings have taken it up.
func Unpin() { handedOver.Unpin() }

//go:wasmexport cabi_realloc
func realloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil || oldSize != 0 {
		panic("memory can't be made larger")
	}
	return Allocate(&handedOver, size, align)
}
