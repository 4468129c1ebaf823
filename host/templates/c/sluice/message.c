/* Requests, responses, exchanges and endpoints. */
#include <string.h>

#include "internal.h"

#define REQUEST(request) ((sluice_plugin_types_borrow_request_t){(request)->handle})
#define RESPONSE(response) ((sluice_plugin_types_borrow_response_t){(response)->handle})
#define EXCHANGE(exchange) ((sluice_plugin_types_borrow_exchange_t){(exchange)->handle})
#define CONTEXT(context) ((sluice_plugin_endpoints_borrow_pick_context_t){(context)->handle})
#define ENDPOINTS(endpoints) ((sluice_plugin_endpoints_borrow_endpoint_list_t){(endpoints)->handle})

sluice_fields sluice_to_fields(sluice_plugin_types_list_field_t fields) {
  sluice_field *items = sluice_alloc(fields.len * sizeof(sluice_field));
  for (size_t index = 0; index < fields.len; index++) {
    items[index] = (sluice_field){sluice_from_string(fields.ptr[index].name), sluice_from_list(fields.ptr[index].value)};
  }
  return (sluice_fields){items, fields.len};
}

const sluice_identity *sluice_to_identity(const sluice_plugin_types_identity_t *identity) {
  sluice_identity *made = sluice_alloc(sizeof(sluice_identity));
  made->subject = sluice_from_string(identity->subject);
  made->issuer = identity->issuer.is_some ? sluice_from_string(identity->issuer.val) : NULL;
  made->expires_at = identity->expires_at.is_some ? identity->expires_at.val : 0;
  made->claims = sluice_from_string(identity->claims);
  return made;
}

/* An edit that was refused makes the hook fail. */
static bool edited(bool done, const char *what, const sluice_plugin_types_edit_error_t *error) {
  if (done) return true;
  switch (error->tag) {
    case SLUICE_PLUGIN_TYPES_EDIT_ERROR_INVALID:
      sluice_fail(sluice_format("%s: %s", what, sluice_from_string(error->val.invalid)));
      break;
    case SLUICE_PLUGIN_TYPES_EDIT_ERROR_FORBIDDEN:
      sluice_fail(sluice_format("%s: belongs to the gateway", what));
      break;
    case SLUICE_PLUGIN_TYPES_EDIT_ERROR_READ_ONLY:
      sluice_fail(sluice_format("%s: can only be read in this hook", what));
      break;
    default:
      sluice_fail(sluice_format("%s: too large: %s", what, sluice_from_string(error->val.too_large)));
  }
  return false;
}

const char *sluice_request_method(const sluice_request *request) {
  contract_string_t text;
  sluice_plugin_types_method_request_method(REQUEST(request), &text);
  return sluice_from_string(text);
}

const char *sluice_request_scheme(const sluice_request *request) {
  contract_string_t text;
  sluice_plugin_types_method_request_scheme(REQUEST(request), &text);
  return sluice_from_string(text);
}

const char *sluice_request_authority(const sluice_request *request) {
  contract_string_t text;
  sluice_plugin_types_method_request_authority(REQUEST(request), &text);
  return sluice_from_string(text);
}

const char *sluice_request_path(const sluice_request *request) {
  contract_string_t text;
  sluice_plugin_types_method_request_path(REQUEST(request), &text);
  return sluice_from_string(text);
}

const char *sluice_request_query(const sluice_request *request) {
  contract_string_t text;
  return sluice_plugin_types_method_request_query(REQUEST(request), &text) ? sluice_from_string(text) : NULL;
}

const char *sluice_request_capture(const sluice_request *request, const char *name) {
  contract_string_t asked = sluice_to_string(name), text;
  return sluice_plugin_types_method_request_capture(REQUEST(request), &asked, &text) ? sluice_from_string(text) : NULL;
}

bool sluice_request_set_method(sluice_request *request, const char *method) {
  contract_string_t text = sluice_to_string(method);
  sluice_plugin_types_edit_error_t error;
  return edited(sluice_plugin_types_method_request_set_method(REQUEST(request), &text, &error), "the method", &error);
}

bool sluice_request_set_path(sluice_request *request, const char *path) {
  contract_string_t text = sluice_to_string(path);
  sluice_plugin_types_edit_error_t error;
  return edited(sluice_plugin_types_method_request_set_path(REQUEST(request), &text, &error), "the path", &error);
}

bool sluice_request_set_query(sluice_request *request, const char *query) {
  contract_string_t text = sluice_to_string(query);
  sluice_plugin_types_edit_error_t error;
  return edited(sluice_plugin_types_method_request_set_query(REQUEST(request), query ? &text : NULL, &error), "the query", &error);
}

const char *sluice_request_header(const sluice_request *request, const char *name) {
  contract_string_t asked = sluice_to_string(name);
  contract_list_u8_t value;
  return sluice_plugin_types_method_request_header(REQUEST(request), &asked, &value) ? sluice_from_list(value) : NULL;
}

sluice_fields sluice_request_headers(const sluice_request *request) {
  sluice_plugin_types_list_field_t fields;
  sluice_plugin_types_method_request_headers(REQUEST(request), &fields);
  return sluice_to_fields(fields);
}

bool sluice_request_set_header(sluice_request *request, const char *name, const char *value) {
  contract_string_t field = sluice_to_string(name);
  contract_list_u8_t bytes = sluice_to_list(sluice_text(value));
  sluice_plugin_types_edit_error_t error;
  return edited(sluice_plugin_types_method_request_set_header(REQUEST(request), &field, &bytes, &error), name, &error);
}

bool sluice_request_append_header(sluice_request *request, const char *name, const char *value) {
  contract_string_t field = sluice_to_string(name);
  contract_list_u8_t bytes = sluice_to_list(sluice_text(value));
  sluice_plugin_types_edit_error_t error;
  return edited(sluice_plugin_types_method_request_append_header(REQUEST(request), &field, &bytes, &error), name, &error);
}

bool sluice_request_remove_header(sluice_request *request, const char *name) {
  contract_string_t field = sluice_to_string(name);
  sluice_plugin_types_edit_error_t error;
  return edited(sluice_plugin_types_method_request_remove_header(REQUEST(request), &field, &error), name, &error);
}

const char *sluice_response_header(const sluice_response *response, const char *name) {
  contract_string_t asked = sluice_to_string(name);
  contract_list_u8_t value;
  return sluice_plugin_types_method_response_header(RESPONSE(response), &asked, &value) ? sluice_from_list(value) : NULL;
}

sluice_fields sluice_response_headers(const sluice_response *response) {
  sluice_plugin_types_list_field_t fields;
  sluice_plugin_types_method_response_headers(RESPONSE(response), &fields);
  return sluice_to_fields(fields);
}

bool sluice_response_set_header(sluice_response *response, const char *name, const char *value) {
  contract_string_t field = sluice_to_string(name);
  contract_list_u8_t bytes = sluice_to_list(sluice_text(value));
  sluice_plugin_types_edit_error_t error;
  return edited(sluice_plugin_types_method_response_set_header(RESPONSE(response), &field, &bytes, &error), name, &error);
}

bool sluice_response_append_header(sluice_response *response, const char *name, const char *value) {
  contract_string_t field = sluice_to_string(name);
  contract_list_u8_t bytes = sluice_to_list(sluice_text(value));
  sluice_plugin_types_edit_error_t error;
  return edited(sluice_plugin_types_method_response_append_header(RESPONSE(response), &field, &bytes, &error), name, &error);
}

bool sluice_response_remove_header(sluice_response *response, const char *name) {
  contract_string_t field = sluice_to_string(name);
  sluice_plugin_types_edit_error_t error;
  return edited(sluice_plugin_types_method_response_remove_header(RESPONSE(response), &field, &error), name, &error);
}

int sluice_response_status(const sluice_response *response) { return sluice_plugin_types_method_response_status(RESPONSE(response)); }

bool sluice_response_set_status(sluice_response *response, int status) {
  uint16_t code = status < 0 || status > UINT16_MAX ? 0 : (uint16_t)status;
  sluice_plugin_types_edit_error_t error;
  return edited(sluice_plugin_types_method_response_set_status(RESPONSE(response), code, &error), "the status", &error);
}

const char *sluice_response_origin(const sluice_response *response) {
  switch (sluice_plugin_types_method_response_origin(RESPONSE(response))) {
    case SLUICE_PLUGIN_TYPES_ORIGIN_UPSTREAM: return "upstream";
    case SLUICE_PLUGIN_TYPES_ORIGIN_PLUGIN: return "plugin";
    default: return "gateway";
  }
}

const char *sluice_exchange_id(const sluice_exchange *exchange) {
  contract_string_t text;
  sluice_plugin_types_method_exchange_id(EXCHANGE(exchange), &text);
  return sluice_from_string(text);
}

const char *sluice_exchange_route(const sluice_exchange *exchange) {
  contract_string_t text;
  sluice_plugin_types_method_exchange_route(EXCHANGE(exchange), &text);
  return sluice_from_string(text);
}

const char *sluice_exchange_listener(const sluice_exchange *exchange) {
  contract_string_t text;
  sluice_plugin_types_method_exchange_listener(EXCHANGE(exchange), &text);
  return sluice_from_string(text);
}

const char *sluice_exchange_client_address(const sluice_exchange *exchange) {
  contract_string_t text;
  sluice_plugin_types_method_exchange_client_address(EXCHANGE(exchange), &text);
  return sluice_from_string(text);
}

const sluice_identity *sluice_exchange_identity(const sluice_exchange *exchange) {
  sluice_plugin_types_identity_t identity;
  return sluice_plugin_types_method_exchange_identity(EXCHANGE(exchange), &identity) ? sluice_to_identity(&identity) : NULL;
}

sluice_bytes sluice_exchange_state(const sluice_exchange *exchange) {
  contract_list_u8_t state;
  sluice_plugin_types_method_exchange_state(EXCHANGE(exchange), &state);
  return sluice_to_bytes(state);
}

bool sluice_exchange_set_state(sluice_exchange *exchange, sluice_bytes state) {
  contract_list_u8_t bytes = sluice_to_list(state);
  sluice_plugin_types_edit_error_t error;
  return edited(sluice_plugin_types_method_exchange_set_state(EXCHANGE(exchange), &bytes, &error), "the state", &error);
}

const char *sluice_exchange_attribute(const sluice_exchange *exchange, const char *name) {
  contract_string_t asked = sluice_to_string(name), text;
  return sluice_plugin_types_method_exchange_attribute(EXCHANGE(exchange), &asked, &text) ? sluice_from_string(text) : NULL;
}

bool sluice_exchange_set_attribute(sluice_exchange *exchange, const char *name, const char *value) {
  contract_string_t attribute = sluice_to_string(name), text = sluice_to_string(value);
  sluice_plugin_types_edit_error_t error;
  return edited(sluice_plugin_types_method_exchange_set_attribute(EXCHANGE(exchange), &attribute, &text, &error), name, &error);
}

uint32_t sluice_endpoints_count(const sluice_endpoints *endpoints) {
  return sluice_plugin_endpoints_method_endpoint_list_len(ENDPOINTS(endpoints));
}

sluice_endpoint sluice_endpoints_get(const sluice_endpoints *endpoints, uint32_t index) {
  sluice_plugin_endpoints_endpoint_t endpoint;
  if (!sluice_plugin_endpoints_method_endpoint_list_get(ENDPOINTS(endpoints), index, &endpoint)) return (sluice_endpoint){0};
  return (sluice_endpoint){
      .weight = endpoint.weight,
      .in_flight = endpoint.in_flight,
      .latency_us = endpoint.latency_us,
      .healthy = endpoint.healthy,
      .failures = endpoint.failures,
      .tried = sluice_plugin_endpoints_method_pick_context_tried(CONTEXT(endpoints->context), index),
  };
}

const char *sluice_endpoints_address(const sluice_endpoints *endpoints, uint32_t index) {
  contract_string_t text;
  return sluice_plugin_endpoints_method_endpoint_list_address(ENDPOINTS(endpoints), index, &text) ? sluice_from_string(text) : NULL;
}

const char *sluice_endpoints_zone(const sluice_endpoints *endpoints, uint32_t index) {
  contract_string_t text;
  return sluice_plugin_endpoints_method_endpoint_list_zone(ENDPOINTS(endpoints), index, &text) ? sluice_from_string(text) : NULL;
}

const char *sluice_context_cluster(const sluice_context *context) {
  contract_string_t text;
  sluice_plugin_endpoints_method_pick_context_cluster(CONTEXT(context), &text);
  return sluice_from_string(text);
}

uint32_t sluice_context_attempt(const sluice_context *context) { return sluice_plugin_endpoints_method_pick_context_attempt(CONTEXT(context)); }

const char *sluice_context_client_address(const sluice_context *context) {
  contract_string_t text;
  return sluice_plugin_endpoints_method_pick_context_client_address(CONTEXT(context), &text) ? sluice_from_string(text) : NULL;
}

const sluice_identity *sluice_context_identity(const sluice_context *context) {
  sluice_plugin_endpoints_identity_t identity;
  return sluice_plugin_endpoints_method_pick_context_identity(CONTEXT(context), &identity) ? sluice_to_identity(&identity) : NULL;
}

const char *sluice_context_header(const sluice_context *context, const char *name) {
  contract_string_t asked = sluice_to_string(name);
  contract_list_u8_t value;
  return sluice_plugin_endpoints_method_pick_context_header(CONTEXT(context), &asked, &value) ? sluice_from_list(value) : NULL;
}

const char *sluice_context_path(const sluice_context *context) {
  contract_string_t text;
  return sluice_plugin_endpoints_method_pick_context_path(CONTEXT(context), &text) ? sluice_from_string(text) : NULL;
}

static void line(sluice_plugin_log_level_t level, const char *text) {
  contract_string_t string = sluice_to_string(text);
  sluice_plugin_log_log(level, &string);
}

void sluice_log_debug(const char *text) { line(SLUICE_PLUGIN_LOG_LEVEL_DEBUG, text); }

void sluice_log_info(const char *text) { line(SLUICE_PLUGIN_LOG_LEVEL_INFO, text); }

void sluice_log_warn(const char *text) { line(SLUICE_PLUGIN_LOG_LEVEL_WARN, text); }

void sluice_log_error(const char *text) { line(SLUICE_PLUGIN_LOG_LEVEL_ERROR, text); }
