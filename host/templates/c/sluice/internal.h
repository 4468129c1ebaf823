/* What the helper's files share. */
#ifndef SLUICE_INTERNAL_H
#define SLUICE_INTERNAL_H

#include "contract.h"
#include "sluice.h"

struct sluice_request { int32_t handle; };
struct sluice_response { int32_t handle; };
struct sluice_exchange { int32_t handle; };
struct sluice_context { int32_t handle; };
struct sluice_endpoints { int32_t handle; const sluice_context *context; };

struct sluice_answer {
  int status;
  sluice_plugin_types_field_t *headers;
  size_t count;
  size_t room;
  sluice_bytes body;
};

enum {
  DECISION_NONE, DECISION_CONTINUE, DECISION_RESPOND, DECISION_NEED_BODY, DECISION_REPLACE, DECISION_IDENTIFIED,
  DECISION_NO_CREDENTIALS, DECISION_ALLOWED, DECISION_DENIED, DECISION_ADMITTED, DECISION_REJECTED
};

/* The hook has returned: its memory is taken back when the next one needs some. */
void sluice_memory_end(void);
/* What there is stays for good. */
void sluice_memory_keep(void);

/* To and from the bindings. What the gateway hands over ends with a NUL: see memory.c. */
contract_string_t sluice_to_string(const char *text);
contract_list_u8_t sluice_to_list(sluice_bytes bytes);
const char *sluice_from_string(contract_string_t text);
const char *sluice_from_list(contract_list_u8_t bytes);
sluice_bytes sluice_to_bytes(contract_list_u8_t bytes);
sluice_fields sluice_to_fields(sluice_plugin_types_list_field_t fields);
const sluice_identity *sluice_to_identity(const sluice_plugin_types_identity_t *identity);

#endif
