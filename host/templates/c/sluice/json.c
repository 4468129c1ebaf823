/* JSON (RFC 8259), read into a tree. Of a number is kept what a double can hold. */
#include <stdlib.h>
#include <string.h>

#include "sluice.h"

#define DEEPEST 64

typedef enum { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } json_kind;

struct sluice_json {
  json_kind kind;
  const char *name;
  const char *text;
  double number;
  const sluice_json *first;
  const sluice_json *next;
  sluice_bytes written;
};

typedef struct {
  const char *at;
  const char *end;
} reader;

static void skip_space(reader *from) {
  while (from->at < from->end && strchr(" \t\r\n", *from->at) && *from->at) from->at++;
}

static bool skip(reader *from, char expected) {
  skip_space(from);
  if (from->at == from->end || *from->at != expected) return false;
  from->at++;
  return true;
}

static bool skip_word(reader *from, const char *word) {
  size_t size = strlen(word);
  if ((size_t)(from->end - from->at) < size || memcmp(from->at, word, size) != 0) return false;
  from->at += size;
  return true;
}

/* Four hexadecimal digits; -1 if they aren't there. */
static long read_unit(reader *from) {
  if (from->end - from->at < 4) return -1;
  long unit = 0;
  for (int count = 0; count < 4; count++) {
    char digit = *from->at++;
    int value = digit >= '0' && digit <= '9'   ? digit - '0'
                : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                               : -1;
    if (value < 0) return -1;
    unit = unit * 16 + value;
  }
  return unit;
}

static char *put_character(char *to, long character) {
  if (character < 0x80) {
    *to++ = (char)character;
  } else if (character < 0x800) {
    *to++ = (char)(0xC0 | character >> 6);
    *to++ = (char)(0x80 | (character & 0x3F));
  } else if (character < 0x10000) {
    *to++ = (char)(0xE0 | character >> 12);
    *to++ = (char)(0x80 | (character >> 6 & 0x3F));
    *to++ = (char)(0x80 | (character & 0x3F));
  } else {
    *to++ = (char)(0xF0 | character >> 18);
    *to++ = (char)(0x80 | (character >> 12 & 0x3F));
    *to++ = (char)(0x80 | (character >> 6 & 0x3F));
    *to++ = (char)(0x80 | (character & 0x3F));
  }
  return to;
}

/* After `\u`: NULL if it is none, half of one, or NUL, which no text of C can hold. */
static char *read_escaped(reader *from, char *to) {
  long unit = read_unit(from);
  if (unit >= 0xD800 && unit <= 0xDBFF) {
    if (!skip_word(from, "\\u")) return NULL;
    long low = read_unit(from);
    if (low < 0xDC00 || low > 0xDFFF) return NULL;
    return put_character(to, 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
  }
  return unit <= 0 || (unit >= 0xDC00 && unit <= 0xDFFF) ? NULL : put_character(to, unit);
}

/* After the first quote. NULL if it isn't right. */
static const char *read_string(reader *from) {
  const char *end = from->at;
  while (end < from->end && *end != '"') end += *end == '\\' ? 2 : 1;
  if (end >= from->end) return NULL;
  /* Escapes are longer than what they stand for. */
  char *text = sluice_alloc((size_t)(end - from->at) + 1), *to = text;
  while (from->at < end) {
    char next = *from->at++;
    if ((unsigned char)next < 0x20) return NULL;
    if (next != '\\') {
      *to++ = next;
      continue;
    }
    next = *from->at++;
    const char *plain = strchr("\"\"\\\\//b\bf\fn\nr\rt\t", next);
    if (next == 'u') {
      to = read_escaped(from, to);
      if (!to) return NULL;
    } else if (next && strchr("\"\\/bfnrt", next) && plain) {
      *to++ = plain[1];
    } else {
      return NULL;
    }
  }
  from->at = end + 1;
  return text;
}

static void skip_digits(reader *from) {
  while (from->at < from->end && *from->at >= '0' && *from->at <= '9') from->at++;
}

static bool read_number(reader *from, double *number) {
  const char *start = from->at;
  skip_word(from, "-");
  const char *digits = from->at;
  skip_digits(from);
  if (from->at == digits || (*digits == '0' && from->at - digits > 1)) return false;
  if (skip_word(from, ".")) {
    digits = from->at;
    skip_digits(from);
    if (from->at == digits) return false;
  }
  if (skip_word(from, "e") || skip_word(from, "E")) {
    if (!skip_word(from, "+")) skip_word(from, "-");
    digits = from->at;
    skip_digits(from);
    if (from->at == digits) return false;
  }
  size_t size = (size_t)(from->at - start);
  char *text = sluice_alloc(size + 1);
  memcpy(text, start, size);
  *number = strtod(text, NULL);
  return true;
}

static sluice_json *read_value(reader *from, int depth);

/* After the first bracket. */
static bool read_items(reader *from, sluice_json *of, int depth) {
  char close = of->kind == JSON_OBJECT ? '}' : ']';
  if (skip(from, close)) return true;
  const sluice_json **to = &of->first;
  do {
    const char *name = NULL;
    if (of->kind == JSON_OBJECT && (!skip(from, '"') || !(name = read_string(from)) || !skip(from, ':'))) return false;
    sluice_json *item = read_value(from, depth + 1);
    if (!item) return false;
    item->name = name;
    *to = item;
    to = &item->next;
  } while (skip(from, ','));
  return skip(from, close);
}

static sluice_json *read_value(reader *from, int depth) {
  skip_space(from);
  if (from->at == from->end || depth > DEEPEST) return NULL;
  sluice_json *json = sluice_alloc(sizeof(sluice_json));
  const char *start = from->at;
  bool good;
  if (skip(from, '"')) {
    json->kind = JSON_STRING;
    good = (json->text = read_string(from)) != NULL;
  } else if (skip(from, '{')) {
    json->kind = JSON_OBJECT;
    good = read_items(from, json, depth);
  } else if (skip(from, '[')) {
    json->kind = JSON_ARRAY;
    good = read_items(from, json, depth);
  } else if (skip_word(from, "null")) {
    good = true;
  } else if (skip_word(from, "true")) {
    *json = (sluice_json){.kind = JSON_BOOL, .number = 1};
    good = true;
  } else if (skip_word(from, "false")) {
    json->kind = JSON_BOOL;
    good = true;
  } else {
    json->kind = JSON_NUMBER;
    good = read_number(from, &json->number);
  }
  json->written = (sluice_bytes){start, (size_t)(from->at - start)};
  return good ? json : NULL;
}

const sluice_json *sluice_json_parse(sluice_bytes text) {
  reader from = {text.data, text.data + text.size};
  sluice_json *json = read_value(&from, 0);
  skip_space(&from);
  return from.at == from.end ? json : NULL;
}

const sluice_json *sluice_json_get(const sluice_json *json, const char *name) {
  if (!sluice_json_is_object(json)) return NULL;
  const sluice_json *found = NULL;
  for (const sluice_json *each = json->first; each; each = each->next) {
    if (strcmp(each->name, name) == 0) found = each;
  }
  return found;
}

const char *sluice_json_string(const sluice_json *json) { return json && json->kind == JSON_STRING ? json->text : NULL; }

double sluice_json_number(const sluice_json *json, double otherwise) {
  return json && json->kind == JSON_NUMBER ? json->number : otherwise;
}

bool sluice_json_bool(const sluice_json *json, bool otherwise) {
  return json && json->kind == JSON_BOOL ? json->number != 0 : otherwise;
}

bool sluice_json_is_array(const sluice_json *json) { return json && json->kind == JSON_ARRAY; }

bool sluice_json_is_object(const sluice_json *json) { return json && json->kind == JSON_OBJECT; }

const sluice_json *sluice_json_first(const sluice_json *json) { return json ? json->first : NULL; }

const sluice_json *sluice_json_next(const sluice_json *json) { return json ? json->next : NULL; }

const char *sluice_json_name(const sluice_json *json) { return json ? json->name : NULL; }

const char *sluice_json_written(const sluice_json *json) {
  if (!json) return "null";
  char *text = sluice_alloc(json->written.size + 1);
  memcpy(text, json->written.data, json->written.size);
  return text;
}

const char *sluice_json_quote(const char *text) {
  char *quoted = sluice_alloc(6 * strlen(text) + 3), *to = quoted;
  *to++ = '"';
  for (; *text; text++) {
    unsigned char next = (unsigned char)*text;
    if (next == '"' || next == '\\') *to++ = '\\';
    if (next >= 0x20) {
      *to++ = (char)next;
    } else {
      memcpy(to, "\\u00", 4);
      to[4] = "0123456789abcdef"[next >> 4];
      to[5] = "0123456789abcdef"[next & 15];
      to += 6;
    }
  }
  *to = '"';
  return quoted;
}
