// {{NAME}}: makes capitals of requests, and counts the bytes of answers, while they pass.

#include <string.h>

#include "sluice/sluice.h"

// All pieces of an exchange meet one instance, and it meets no others.
static size_t count;

void on_configure(const sluice_json *config) { (void)config; }

sluice_decision on_request(sluice_request *request, sluice_exchange *exchange) {
  (void)request;
  (void)exchange;
  return sluice_continue();
}

sluice_bytes on_request_chunk(sluice_exchange *exchange, sluice_bytes chunk, bool last) {
  (void)exchange;
  (void)last;
  char *made = sluice_alloc(chunk.size);
  for (size_t index = 0; index < chunk.size; index++) {
    char each = chunk.data[index];
    made[index] = each >= 'a' && each <= 'z' ? (char)(each - 'a' + 'A') : each;
  }
  return (sluice_bytes){made, chunk.size};
}

sluice_decision on_response(sluice_request *request, sluice_response *response, sluice_exchange *exchange) {
  (void)request;
  (void)response;
  (void)exchange;
  return sluice_continue();
}

sluice_bytes on_response_chunk(sluice_exchange *exchange, sluice_bytes chunk, bool last) {
  (void)exchange;
  count += chunk.size;
  if (!last) return chunk;
  const char *end = sluice_format("[%zu]", count);
  char *made = sluice_alloc(chunk.size + strlen(end));
  memcpy(made, chunk.data, chunk.size);
  memcpy(made + chunk.size, end, strlen(end));
  return (sluice_bytes){made, chunk.size + strlen(end)};
}
