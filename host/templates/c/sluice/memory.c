/* Memory of hooks: handed out in order, and taken back all at once when the next hook begins. By then the gateway has read
 * what the last one returned. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define BLOCK_SIZE (16 * 1024 - 32)

typedef struct block {
  struct block *older;
  size_t size;
  size_t used;
  _Alignas(16) char data[];
} block;

static block *newest;
static bool ended;

static void take_back(void) {
  ended = false;
  while (newest && (newest->older || newest->size > BLOCK_SIZE)) {
    block *older = newest->older;
    free(newest);
    newest = older;
  }
  if (newest) newest->used = 0;
}

static void *take(size_t size, size_t align) {
  if (ended) take_back();
  size_t at = newest ? (newest->used + align - 1) & ~(align - 1) : 0;
  if (!newest || at > newest->size || size > newest->size - at) {
    size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    block *made = room < SIZE_MAX - sizeof(block) ? malloc(sizeof(block) + room) : NULL;
    if (!made) abort();
    *made = (block){.older = newest, .size = room, .used = 0};
    newest = made;
    at = 0;
  }
  newest->used = at + size;
  return newest->data + at;
}

void *sluice_alloc(size_t size) { return memset(take(size, 8), 0, size); }

void sluice_memory_end(void) { ended = true; }

void sluice_memory_keep(void) {
  /* on_configure has its blocks for good. */
  newest = NULL;
  ended = false;
}

/* What the gateway hands over gets a NUL behind it, so that texts are texts of C. */
__attribute__((__export_name__("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  char *made = take(size + 1, align);
  if (old_size) memcpy(made, old, old_size < size ? old_size : size);
  made[size] = 0;
  return made;
}

contract_string_t sluice_to_string(const char *text) {
  if (!text) text = "";
  return (contract_string_t){(uint8_t *)text, strlen(text)};
}

contract_list_u8_t sluice_to_list(sluice_bytes bytes) {
  return (contract_list_u8_t){(uint8_t *)(bytes.size ? bytes.data : ""), bytes.size};
}

const char *sluice_from_string(contract_string_t text) { return text.len ? (const char *)text.ptr : ""; }

const char *sluice_from_list(contract_list_u8_t bytes) { return bytes.len ? (const char *)bytes.ptr : ""; }

sluice_bytes sluice_to_bytes(contract_list_u8_t bytes) { return (sluice_bytes){sluice_from_list(bytes), bytes.len}; }

sluice_bytes sluice_text(const char *text) { return (sluice_bytes){text ? text : "", text ? strlen(text) : 0}; }

bool sluice_same(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : a == b; }

const char *sluice_format(const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int size = vsnprintf(NULL, 0, format, arguments);
  char *text = sluice_alloc(size < 0 ? 1 : (size_t)size + 1);
  if (size > 0) vsnprintf(text, (size_t)size + 1, format, again);
  va_end(again);
  va_end(arguments);
  return text;
}
