/* From the gateway's calls to the plugin's hooks and back. */
#include <string.h>

#include "hooks.h"
#include "internal.h"

static const char *failure;

void sluice_fail(const char *why) {
  if (!failure) failure = why ? why : "the plugin failed";
}

const char *sluice_failure(void) { return failure; }

void sluice_forgive(void) { failure = NULL; }

static sluice_decision decision(int kind) { return (sluice_decision){.kind = kind}; }

static sluice_decision with_answer(int kind, sluice_answer *answer) {
  if (!answer) return sluice_failed("a decision needs an answer");
  return (sluice_decision){.kind = kind, .answer = answer};
}

sluice_decision sluice_failed(const char *why) {
  sluice_fail(why);
  return decision(DECISION_NONE);
}

sluice_decision sluice_continue(void) { return decision(DECISION_CONTINUE); }
sluice_decision sluice_need_body(void) { return decision(DECISION_NEED_BODY); }
sluice_decision sluice_no_credentials(void) { return decision(DECISION_NO_CREDENTIALS); }
sluice_decision sluice_allowed(void) { return decision(DECISION_ALLOWED); }
sluice_decision sluice_respond(sluice_answer *answer) { return with_answer(DECISION_RESPOND, answer); }
sluice_decision sluice_denied(sluice_answer *answer) { return with_answer(DECISION_DENIED, answer); }

sluice_decision sluice_replace(sluice_bytes body) {
  return (sluice_decision){.kind = DECISION_REPLACE, .body = body};
}

sluice_decision sluice_identified(sluice_identity identity) {
  return (sluice_decision){.kind = DECISION_IDENTIFIED, .identity = identity};
}

sluice_decision sluice_admitted(sluice_quota quota) {
  return (sluice_decision){.kind = DECISION_ADMITTED, .quota = quota};
}

sluice_decision sluice_rejected(sluice_quota quota) {
  return (sluice_decision){.kind = DECISION_REJECTED, .quota = quota};
}

sluice_answer *sluice_answer_bytes(int status, const char *content_type, sluice_bytes body) {
  sluice_answer *answer = sluice_alloc(sizeof(sluice_answer));
  answer->status = status;
  answer->body = body;
  return content_type ? sluice_answer_header(answer, "content-type", content_type) : answer;
}

sluice_answer *sluice_answer_text(int status, const char *text) {
  return sluice_answer_bytes(status, "text/plain; charset=utf-8", sluice_text(text));
}

sluice_answer *sluice_answer_json(int status, const char *json) {
  return sluice_answer_bytes(status, "application/json", sluice_text(json));
}

sluice_answer *sluice_answer_problem(int status, const char *title) {
  const char *body = sluice_format("{\"title\":%s,\"status\":%d}", sluice_json_quote(title), status);
  return sluice_answer_bytes(status, "application/problem+json", sluice_text(body));
}

sluice_answer *sluice_answer_header(sluice_answer *answer, const char *name, const char *value) {
  if (answer->count == answer->room) {
    size_t room = answer->room ? 2 * answer->room : 4;
    sluice_plugin_types_field_t *more = sluice_alloc(room * sizeof(*more));
    if (answer->count) memcpy(more, answer->headers, answer->count * sizeof(*more));
    answer->headers = more;
    answer->room = room;
  }
  answer->headers[answer->count++] = (sluice_plugin_types_field_t){
      .name = sluice_to_string(name),
      .value = sluice_to_list(sluice_text(value)),
  };
  return answer;
}

/* The end of a hook: whether it went well; if not, why. */
__attribute__((unused)) static bool finish(contract_string_t *error) {
  sluice_memory_end();
  if (!failure) return true;
  *error = sluice_to_string(failure);
  failure = NULL;
  return false;
}

__attribute__((unused)) static void wrong(const char *hook) {
  sluice_fail(sluice_format("%s can't return that decision", hook));
}

__attribute__((unused)) static sluice_plugin_types_local_response_t local_response(const sluice_answer *answer) {
  int status = answer->status < 0 || answer->status > UINT16_MAX ? 0 : answer->status;
  return (sluice_plugin_types_local_response_t){
      .status = (uint16_t)status,
      .headers = {answer->headers, answer->count},
      .body = sluice_to_list(answer->body),
  };
}

__attribute__((unused)) static sluice_plugin_types_quota_t to_quota(const sluice_quota *quota) {
  return (sluice_plugin_types_quota_t){
      .policy = sluice_to_string(quota->policy),
      .limit = quota->limit,
      .window_ms = quota->window_ms,
      .remaining = quota->remaining,
      .reset_ms = quota->reset_ms,
      .retry_after_ms = quota->retry_after_ms,
  };
}

/* What on_request and on_response decided. */
__attribute__((unused)) static void to_decision(sluice_decision decided, sluice_plugin_types_decision_t *to,
                                                const char *hook) {
  switch (decided.kind) {
    case DECISION_CONTINUE: to->tag = SLUICE_PLUGIN_TYPES_DECISION_CONTINUE; break;
    case DECISION_NEED_BODY: to->tag = SLUICE_PLUGIN_TYPES_DECISION_NEED_BODY; break;
    case DECISION_RESPOND:
      to->tag = SLUICE_PLUGIN_TYPES_DECISION_RESPOND;
      to->val.respond = local_response(decided.answer);
      break;
    default: wrong(hook);
  }
}

/* What the body hooks decided. */
__attribute__((unused)) static void to_body_decision(sluice_decision decided, sluice_plugin_types_body_decision_t *to,
                                                     const char *hook) {
  switch (decided.kind) {
    case DECISION_CONTINUE: to->tag = SLUICE_PLUGIN_TYPES_BODY_DECISION_CONTINUE; break;
    case DECISION_REPLACE:
      to->tag = SLUICE_PLUGIN_TYPES_BODY_DECISION_REPLACE;
      to->val.replace = sluice_to_list(decided.body);
      break;
    case DECISION_RESPOND:
      to->tag = SLUICE_PLUGIN_TYPES_BODY_DECISION_RESPOND;
      to->val.respond = local_response(decided.answer);
      break;
    default: wrong(hook);
  }
}

#ifdef SLUICE_HOOK_LIFECYCLE
bool exports_sluice_plugin_lifecycle_configure(contract_string_t *config, contract_string_t *error) {
  on_configure(sluice_json_parse(sluice_text(sluice_from_string(*config))));
  sluice_memory_keep();
  if (!failure) return true;
  *error = sluice_to_string(failure);
  return false;
}
#endif

#ifdef SLUICE_HOOK_AUTHENTICATE
bool exports_sluice_plugin_authenticate_authenticate(sluice_plugin_types_own_request_t request,
                                                     sluice_plugin_types_own_exchange_t exchange,
                                                     exports_sluice_plugin_authenticate_authentication_t *to,
                                                     contract_string_t *error) {
  sluice_decision decided =
      on_authenticate(&(sluice_request){request.__handle}, &(sluice_exchange){exchange.__handle});
  const sluice_identity *identity = &decided.identity;
  switch (decided.kind) {
    case DECISION_IDENTIFIED:
      to->tag = EXPORTS_SLUICE_PLUGIN_AUTHENTICATE_AUTHENTICATION_IDENTIFIED;
      to->val.identified = (sluice_plugin_types_identity_t){
          .subject = sluice_to_string(identity->subject),
          .issuer = {identity->issuer != NULL, sluice_to_string(identity->issuer)},
          .expires_at = {identity->expires_at != 0, identity->expires_at},
          .claims = sluice_to_string(identity->claims ? identity->claims : "{}"),
      };
      break;
    case DECISION_NO_CREDENTIALS: to->tag = EXPORTS_SLUICE_PLUGIN_AUTHENTICATE_AUTHENTICATION_NO_CREDENTIALS; break;
    case DECISION_DENIED:
      to->tag = EXPORTS_SLUICE_PLUGIN_AUTHENTICATE_AUTHENTICATION_DENIED;
      to->val.denied = local_response(decided.answer);
      break;
    default: wrong("on_authenticate");
  }
  sluice_plugin_types_request_drop_own(request);
  sluice_plugin_types_exchange_drop_own(exchange);
  return finish(error);
}
#endif

#ifdef SLUICE_HOOK_AUTHORIZE
bool exports_sluice_plugin_authorize_authorize(sluice_plugin_types_own_request_t request,
                                               sluice_plugin_types_own_exchange_t exchange,
                                               sluice_plugin_types_identity_t *identity,
                                               exports_sluice_plugin_authorize_authorization_t *to,
                                               contract_string_t *error) {
  sluice_decision decided = on_authorize(&(sluice_request){request.__handle}, &(sluice_exchange){exchange.__handle},
                                         identity ? sluice_to_identity(identity) : NULL);
  switch (decided.kind) {
    case DECISION_ALLOWED: to->tag = EXPORTS_SLUICE_PLUGIN_AUTHORIZE_AUTHORIZATION_ALLOWED; break;
    case DECISION_DENIED:
      to->tag = EXPORTS_SLUICE_PLUGIN_AUTHORIZE_AUTHORIZATION_DENIED;
      to->val.denied = local_response(decided.answer);
      break;
    default: wrong("on_authorize");
  }
  sluice_plugin_types_request_drop_own(request);
  sluice_plugin_types_exchange_drop_own(exchange);
  return finish(error);
}
#endif

#ifdef SLUICE_HOOK_RATE_LIMIT
bool exports_sluice_plugin_rate_limit_check(sluice_plugin_types_own_request_t request,
                                            sluice_plugin_types_own_exchange_t exchange,
                                            exports_sluice_plugin_rate_limit_verdict_t *to, contract_string_t *error) {
  sluice_decision decided = on_check(&(sluice_request){request.__handle}, &(sluice_exchange){exchange.__handle});
  switch (decided.kind) {
    case DECISION_ADMITTED:
      to->tag = EXPORTS_SLUICE_PLUGIN_RATE_LIMIT_VERDICT_ADMITTED;
      to->val.admitted.is_some = decided.quota.policy != NULL;
      to->val.admitted.val = to_quota(&decided.quota);
      break;
    case DECISION_REJECTED:
      to->tag = EXPORTS_SLUICE_PLUGIN_RATE_LIMIT_VERDICT_REJECTED;
      to->val.rejected = to_quota(&decided.quota);
      break;
    default: wrong("on_check");
  }
  sluice_plugin_types_request_drop_own(request);
  sluice_plugin_types_exchange_drop_own(exchange);
  return finish(error);
}
#endif

#ifdef SLUICE_HOOK_ON_REQUEST
bool exports_sluice_plugin_on_request_handle(sluice_plugin_types_own_request_t request,
                                             sluice_plugin_types_own_exchange_t exchange,
                                             sluice_plugin_types_decision_t *to, contract_string_t *error) {
  to_decision(on_request(&(sluice_request){request.__handle}, &(sluice_exchange){exchange.__handle}), to,
              "on_request");
  sluice_plugin_types_request_drop_own(request);
  sluice_plugin_types_exchange_drop_own(exchange);
  return finish(error);
}
#endif

#ifdef SLUICE_HOOK_ON_REQUEST_BODY
bool exports_sluice_plugin_on_request_body_handle(sluice_plugin_types_own_request_t request,
                                                  sluice_plugin_types_own_exchange_t exchange, contract_list_u8_t *body,
                                                  sluice_plugin_types_body_decision_t *to, contract_string_t *error) {
  to_body_decision(on_request_body(&(sluice_request){request.__handle}, &(sluice_exchange){exchange.__handle},
                                   sluice_to_bytes(*body)),
                   to, "on_request_body");
  sluice_plugin_types_request_drop_own(request);
  sluice_plugin_types_exchange_drop_own(exchange);
  return finish(error);
}
#endif

#ifdef SLUICE_HOOK_ON_RESPONSE
bool exports_sluice_plugin_on_response_handle(sluice_plugin_types_own_request_t request,
                                              sluice_plugin_types_own_response_t response,
                                              sluice_plugin_types_own_exchange_t exchange,
                                              sluice_plugin_types_decision_t *to, contract_string_t *error) {
  to_decision(on_response(&(sluice_request){request.__handle}, &(sluice_response){response.__handle},
                          &(sluice_exchange){exchange.__handle}),
              to, "on_response");
  sluice_plugin_types_request_drop_own(request);
  sluice_plugin_types_response_drop_own(response);
  sluice_plugin_types_exchange_drop_own(exchange);
  return finish(error);
}
#endif

#ifdef SLUICE_HOOK_ON_RESPONSE_BODY
bool exports_sluice_plugin_on_response_body_handle(sluice_plugin_types_own_request_t request,
                                                   sluice_plugin_types_own_response_t response,
                                                   sluice_plugin_types_own_exchange_t exchange, contract_list_u8_t *body,
                                                   sluice_plugin_types_body_decision_t *to, contract_string_t *error) {
  to_body_decision(on_response_body(&(sluice_request){request.__handle}, &(sluice_response){response.__handle},
                                    &(sluice_exchange){exchange.__handle}, sluice_to_bytes(*body)),
                   to, "on_response_body");
  sluice_plugin_types_request_drop_own(request);
  sluice_plugin_types_response_drop_own(response);
  sluice_plugin_types_exchange_drop_own(exchange);
  return finish(error);
}
#endif

#ifdef SLUICE_HOOK_ON_REQUEST_CHUNK
bool exports_sluice_plugin_on_request_chunk_handle(sluice_plugin_types_own_exchange_t exchange, contract_list_u8_t *chunk,
                                                   bool last, contract_list_u8_t *to, contract_string_t *error) {
  *to = sluice_to_list(on_request_chunk(&(sluice_exchange){exchange.__handle}, sluice_to_bytes(*chunk), last));
  sluice_plugin_types_exchange_drop_own(exchange);
  return finish(error);
}
#endif

#ifdef SLUICE_HOOK_ON_RESPONSE_CHUNK
bool exports_sluice_plugin_on_response_chunk_handle(sluice_plugin_types_own_exchange_t exchange,
                                                    contract_list_u8_t *chunk, bool last, contract_list_u8_t *to,
                                                    contract_string_t *error) {
  *to = sluice_to_list(on_response_chunk(&(sluice_exchange){exchange.__handle}, sluice_to_bytes(*chunk), last));
  sluice_plugin_types_exchange_drop_own(exchange);
  return finish(error);
}
#endif

#ifdef SLUICE_HOOK_AGGREGATE
bool exports_sluice_plugin_aggregate_handle(sluice_plugin_types_own_request_t request,
                                            sluice_plugin_types_own_exchange_t exchange,
                                            sluice_plugin_types_local_response_t *to, contract_string_t *error) {
  const sluice_answer *answer =
      on_aggregate(&(sluice_request){request.__handle}, &(sluice_exchange){exchange.__handle});
  if (answer) {
    *to = local_response(answer);
  } else {
    sluice_fail("on_aggregate returned no answer");
  }
  sluice_plugin_types_request_drop_own(request);
  sluice_plugin_types_exchange_drop_own(exchange);
  return finish(error);
}
#endif

#ifdef SLUICE_HOOK_BALANCE
bool exports_sluice_plugin_balance_pick(sluice_plugin_endpoints_own_pick_context_t context,
                                        sluice_plugin_endpoints_own_endpoint_list_t endpoints, uint32_t *to) {
  sluice_context about = {context.__handle};
  int64_t index = on_pick(&about, &(sluice_endpoints){endpoints.__handle, &about});
  sluice_plugin_endpoints_endpoint_list_drop_own(endpoints);
  sluice_plugin_endpoints_pick_context_drop_own(context);
  contract_string_t error;
  if (!finish(&error) || index < 0 || index > UINT32_MAX) return false;
  *to = (uint32_t)index;
  return true;
}
#endif
