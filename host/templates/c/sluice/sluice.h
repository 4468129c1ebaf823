/* What a plugin in C is made with. A plugin defines the hooks of its role, below, in plugin.c.
 *
 * Memory: what these functions return lives until the hook returns, and what on_configure gets and makes lives as long as
 * the instance. Nothing has to be freed. Texts end with a NUL and are never NULL unless it says so. */
#ifndef SLUICE_H
#define SLUICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that may contain any value. */
typedef struct {
  const char *data;
  size_t size;
} sluice_bytes;

/* A header field; names are lower case. */
typedef struct {
  const char *name;
  const char *value;
} sluice_field;

typedef struct {
  const sluice_field *items;
  size_t count;
} sluice_fields;

typedef struct sluice_request sluice_request;
typedef struct sluice_response sluice_response;
typedef struct sluice_exchange sluice_exchange;
typedef struct sluice_context sluice_context;
typedef struct sluice_endpoints sluice_endpoints;
typedef struct sluice_answer sluice_answer;
typedef struct sluice_json sluice_json;

/* Who sends a request. */
typedef struct {
  const char *subject;
  /* NULL if there is none. */
  const char *issuer;
  /* Seconds since the Unix epoch; 0: it doesn't end. */
  uint64_t expires_at;
  /* A JSON object; NULL is `{}`. */
  const char *claims;
} sluice_identity;

/* The state of one limit. */
typedef struct {
  const char *policy;
  uint64_t limit;
  uint64_t window_ms;
  uint64_t remaining;
  uint64_t reset_ms;
  uint64_t retry_after_ms;
} sluice_quota;

/* What a hook decides; made by the functions below. */
typedef struct {
  int kind;
  sluice_answer *answer;
  sluice_bytes body;
  sluice_identity identity;
  sluice_quota quota;
} sluice_decision;

/* --- Hooks: define those that wit/plugin.wit exports. ------------------------------------------------------------- */

/* Called once in every instance, with the configuration. sluice_fail refuses it. */
void on_configure(const sluice_json *config);

/* Return sluice_identified, sluice_no_credentials or sluice_denied. */
sluice_decision on_authenticate(sluice_request *request, sluice_exchange *exchange);
/* Return sluice_allowed or sluice_denied. `identity` is NULL for anonymous requests. */
sluice_decision on_authorize(sluice_request *request, sluice_exchange *exchange, const sluice_identity *identity);
/* Return sluice_admitted or sluice_rejected. */
sluice_decision on_check(sluice_request *request, sluice_exchange *exchange);
/* Return sluice_continue, sluice_respond or, with on_request_body, sluice_need_body. */
sluice_decision on_request(sluice_request *request, sluice_exchange *exchange);
/* Return sluice_continue, sluice_replace or sluice_respond. */
sluice_decision on_request_body(sluice_request *request, sluice_exchange *exchange, sluice_bytes body);
/* Return sluice_continue, sluice_respond or, with on_response_body, sluice_need_body. */
sluice_decision on_response(sluice_request *request, sluice_response *response, sluice_exchange *exchange);
/* Return sluice_continue, sluice_replace or sluice_respond. */
sluice_decision on_response_body(sluice_request *request, sluice_response *response, sluice_exchange *exchange,
                                 sluice_bytes body);
/* A body in pieces: return what goes on in place of this one. One instance sees all pieces of a message and nothing else
 * meanwhile: keep what is needed in static variables, in memory from malloc. */
sluice_bytes on_request_chunk(sluice_exchange *exchange, sluice_bytes chunk, bool last);
sluice_bytes on_response_chunk(sluice_exchange *exchange, sluice_bytes chunk, bool last);
/* Return an answer. */
sluice_answer *on_aggregate(sluice_request *request, sluice_exchange *exchange);
/* Return the index of an endpoint; -1 leaves the choice to the gateway. */
int64_t on_pick(sluice_context *context, sluice_endpoints *endpoints);

/* --- Decisions ---------------------------------------------------------------------------------------------------- */

sluice_decision sluice_continue(void);
/* Stop here and answer with this. */
sluice_decision sluice_respond(sluice_answer *answer);
/* Call the body hook before anything is sent on. */
sluice_decision sluice_need_body(void);
/* Send this body instead. */
sluice_decision sluice_replace(sluice_bytes body);
sluice_decision sluice_identified(sluice_identity identity);
/* Another authenticator may find some. */
sluice_decision sluice_no_credentials(void);
sluice_decision sluice_allowed(void);
/* Of on_authenticate and on_authorize: answer with this. */
sluice_decision sluice_denied(sluice_answer *answer);
sluice_decision sluice_admitted(sluice_quota quota);
/* The gateway answers 429. */
sluice_decision sluice_rejected(sluice_quota quota);

/* This hook fails: a failure of the plugin, not of the caller; `on_error` says what follows. An edit that the gateway
 * refuses does that by itself. */
void sluice_fail(const char *why);
/* The same, to return. */
sluice_decision sluice_failed(const char *why);
/* Why this hook fails; NULL if it doesn't. */
const char *sluice_failure(void);
/* Take it back. */
void sluice_forgive(void);

/* --- Answers ------------------------------------------------------------------------------------------------------ */

sluice_answer *sluice_answer_bytes(int status, const char *content_type, sluice_bytes body);
sluice_answer *sluice_answer_text(int status, const char *text);
/* `json` is a JSON text. */
sluice_answer *sluice_answer_json(int status, const char *json);
/* A problem document (RFC 9457). The title goes to the client. */
sluice_answer *sluice_answer_problem(int status, const char *title);
/* Add a field; returns the answer. */
sluice_answer *sluice_answer_header(sluice_answer *answer, const char *name, const char *value);

/* --- The request -------------------------------------------------------------------------------------------------- */

const char *sluice_request_method(const sluice_request *request);
const char *sluice_request_scheme(const sluice_request *request);
const char *sluice_request_authority(const sluice_request *request);
/* Normalized and percent-encoded, without the query. */
const char *sluice_request_path(const sluice_request *request);
/* NULL if there is none. */
const char *sluice_request_query(const sluice_request *request);
/* What `{name}` in the route's path matched; NULL if there is no such name. */
const char *sluice_request_capture(const sluice_request *request, const char *name);
/* The first value of a field; NULL if there is none. */
const char *sluice_request_header(const sluice_request *request, const char *name);
/* All fields in order. */
sluice_fields sluice_request_headers(const sluice_request *request);
bool sluice_request_set_method(sluice_request *request, const char *method);
bool sluice_request_set_path(sluice_request *request, const char *path);
/* NULL: no query. */
bool sluice_request_set_query(sluice_request *request, const char *query);
bool sluice_request_set_header(sluice_request *request, const char *name, const char *value);
bool sluice_request_append_header(sluice_request *request, const char *name, const char *value);
bool sluice_request_remove_header(sluice_request *request, const char *name);

/* --- The answer on its way to the client -------------------------------------------------------------------------- */

int sluice_response_status(const sluice_response *response);
bool sluice_response_set_status(sluice_response *response, int status);
/* `upstream`, `plugin` or `gateway`. */
const char *sluice_response_origin(const sluice_response *response);
const char *sluice_response_header(const sluice_response *response, const char *name);
sluice_fields sluice_response_headers(const sluice_response *response);
bool sluice_response_set_header(sluice_response *response, const char *name, const char *value);
bool sluice_response_append_header(sluice_response *response, const char *name, const char *value);
bool sluice_response_remove_header(sluice_response *response, const char *name);

/* --- What is known of an exchange besides ------------------------------------------------------------------------- */

const char *sluice_exchange_id(const sluice_exchange *exchange);
const char *sluice_exchange_route(const sluice_exchange *exchange);
const char *sluice_exchange_listener(const sluice_exchange *exchange);
const char *sluice_exchange_client_address(const sluice_exchange *exchange);
/* NULL if nobody was identified. */
const sluice_identity *sluice_exchange_identity(const sluice_exchange *exchange);
/* What an earlier hook of this plugin kept for this exchange. */
sluice_bytes sluice_exchange_state(const sluice_exchange *exchange);
bool sluice_exchange_set_state(sluice_exchange *exchange, sluice_bytes state);
/* What a plugin published, by `plugin-name.attribute-name`; NULL if there is none. */
const char *sluice_exchange_attribute(const sluice_exchange *exchange, const char *name);
bool sluice_exchange_set_attribute(sluice_exchange *exchange, const char *name, const char *value);

/* --- What on_pick chooses from ------------------------------------------------------------------------------------ */

typedef struct {
  uint32_t weight;
  /* Requests of this gateway that haven't ended. */
  uint32_t in_flight;
  /* To the first byte, a moving average; 0 if unknown. */
  uint64_t latency_us;
  bool healthy;
  /* In a row. */
  uint32_t failures;
  /* Whether this exchange has tried it. */
  bool tried;
} sluice_endpoint;

uint32_t sluice_endpoints_count(const sluice_endpoints *endpoints);
sluice_endpoint sluice_endpoints_get(const sluice_endpoints *endpoints, uint32_t index);
/* NULL past the end. */
const char *sluice_endpoints_address(const sluice_endpoints *endpoints, uint32_t index);
/* NULL if it has none. */
const char *sluice_endpoints_zone(const sluice_endpoints *endpoints, uint32_t index);
const char *sluice_context_cluster(const sluice_context *context);
uint32_t sluice_context_attempt(const sluice_context *context);
/* These are NULL if no request of a client is the reason. */
const char *sluice_context_client_address(const sluice_context *context);
const sluice_identity *sluice_context_identity(const sluice_context *context);
const char *sluice_context_header(const sluice_context *context, const char *name);
const char *sluice_context_path(const sluice_context *context);

/* --- Lines for the gateway's log ---------------------------------------------------------------------------------- */

void sluice_log_debug(const char *text);
void sluice_log_info(const char *text);
void sluice_log_warn(const char *text);
void sluice_log_error(const char *text);

/* --- Texts and memory --------------------------------------------------------------------------------------------- */

/* As printf writes it. */
const char *sluice_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool sluice_same(const char *a, const char *b);
/* The bytes of a text. */
sluice_bytes sluice_text(const char *text);
/* Memory of this hook, zeroed. */
void *sluice_alloc(size_t size);

/* --- JSON. NULL stands for what isn't there, and all of these take it. -------------------------------------------- */

/* NULL if it isn't JSON. */
const sluice_json *sluice_json_parse(sluice_bytes text);
/* A member of an object. */
const sluice_json *sluice_json_get(const sluice_json *json, const char *name);
/* The text of a string; NULL if it is none. */
const char *sluice_json_string(const sluice_json *json);
double sluice_json_number(const sluice_json *json, double otherwise);
bool sluice_json_bool(const sluice_json *json, bool otherwise);
bool sluice_json_is_array(const sluice_json *json);
bool sluice_json_is_object(const sluice_json *json);
/* The items of an array or the members of an object, one after the other. */
const sluice_json *sluice_json_first(const sluice_json *json);
const sluice_json *sluice_json_next(const sluice_json *json);
/* The name of a member. */
const char *sluice_json_name(const sluice_json *json);
/* As it was written. */
const char *sluice_json_written(const sluice_json *json);
/* A text as a JSON string, with its quotes. */
const char *sluice_json_quote(const char *text);

#ifdef __cplusplus
}
#endif

#include "capabilities.h"

#endif
