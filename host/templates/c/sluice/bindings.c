/* The generated bindings. They mustn't free what they think was allocated one by one: memory.c takes all of it back. */
#include <stdlib.h>

__attribute__((unused)) static void sluice_leave(void *memory) { (void)memory; }

#define free sluice_leave
#include "contract.c"

/* They want an object file with their types; `sluice plugin component` puts those in. */
void __component_type_object_force_link_contract(void) {}
