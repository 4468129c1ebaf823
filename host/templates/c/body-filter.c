// {{NAME}}: lets a word neither in nor out.

#include <string.h>

#include "sluice/sluice.h"

static const char *word;

void on_configure(const sluice_json *config) {
  word = sluice_json_string(sluice_json_get(config, "word"));
  if (!word || !*word) sluice_fail("`word` is needed");
}

// Where the word is next; NULL if it is nowhere.
static const char *find(const char *from, const char *end) {
  size_t size = strlen(word);
  for (; (size_t)(end - from) >= size; from++) {
    if (memcmp(from, word, size) == 0) return from;
  }
  return NULL;
}

sluice_decision on_request(sluice_request *request, sluice_exchange *exchange) {
  (void)request;
  (void)exchange;
  return sluice_need_body();
}

sluice_decision on_request_body(sluice_request *request, sluice_exchange *exchange, sluice_bytes body) {
  (void)request;
  (void)exchange;
  if (!find(body.data, body.data + body.size)) return sluice_continue();
  return sluice_respond(sluice_answer_problem(422, "That word isn't let in"));
}

sluice_decision on_response(sluice_request *request, sluice_response *response, sluice_exchange *exchange) {
  (void)request;
  (void)response;
  (void)exchange;
  return sluice_need_body();
}

sluice_decision on_response_body(sluice_request *request, sluice_response *response, sluice_exchange *exchange,
                                 sluice_bytes body) {
  (void)request;
  (void)response;
  (void)exchange;
  const char *from = body.data, *end = body.data + body.size, *next = find(from, end);
  if (!next) return sluice_continue();
  // Stars take three bytes, whatever the word took.
  char *made = sluice_alloc(3 * body.size), *to = made;
  for (; next; next = find(from, end)) {
    memcpy(to, from, (size_t)(next - from));
    to += next - from;
    memcpy(to, "***", 3);
    to += 3;
    from = next + strlen(word);
  }
  memcpy(to, from, (size_t)(end - from));
  return sluice_replace((sluice_bytes){made, (size_t)(to - made) + (size_t)(end - from)});
}
