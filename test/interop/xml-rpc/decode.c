/*
 * Decodes documents with xmlrpc-c: on stdin, each with its length before it (four bytes, big end first) and a letter, `c`
 * for a call and `r` for an answer; on stdout, a line of JSON for each. See decoders.ts for what it says.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xmlrpc-c/base.h>

static void print_hex(const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  putchar('"');
  for (size_t i = 0; i < size; i++) printf("%02x", at[i]);
  putchar('"');
}

static void print_value(xmlrpc_value *value) {
  xmlrpc_env env;
  xmlrpc_env_init(&env);
  switch (xmlrpc_value_type(value)) {
  case XMLRPC_TYPE_INT: {
    xmlrpc_int number;
    xmlrpc_read_int(&env, value, &number);
    printf("{\"int\":\"%d\"}", number);
    break;
  }
  case XMLRPC_TYPE_I8: {
    xmlrpc_int64 number;
    xmlrpc_read_i8(&env, value, &number);
    printf("{\"int\":\"%lld\"}", (long long)number);
    break;
  }
  case XMLRPC_TYPE_BOOL: {
    xmlrpc_bool truth;
    xmlrpc_read_bool(&env, value, &truth);
    printf("{\"boolean\":%s}", truth ? "true" : "false");
    break;
  }
  case XMLRPC_TYPE_DOUBLE: {
    double number;
    xmlrpc_read_double(&env, value, &number);
    printf("{\"double\":\"%.17g\"}", number);
    break;
  }
  case XMLRPC_TYPE_DATETIME: {
    const char *text;
    xmlrpc_read_datetime_8601(&env, value, &text);
    if (env.fault_occurred) {
      printf("{\"unreadable\":true}");
    } else {
      printf("{\"date\":");
      print_hex(text, strlen(text));
      putchar('}');
      free((void *)text);
    }
    break;
  }
  case XMLRPC_TYPE_STRING: {
    size_t size;
    const char *text;
    xmlrpc_read_string_lp(&env, value, &size, &text);
    if (env.fault_occurred) {
      printf("{\"unreadable\":true}");
    } else {
      printf("{\"string\":");
      print_hex(text, size);
      putchar('}');
      free((void *)text);
    }
    break;
  }
  case XMLRPC_TYPE_BASE64: {
    size_t size;
    const unsigned char *bytes;
    xmlrpc_read_base64(&env, value, &size, &bytes);
    printf("{\"base64\":");
    print_hex(bytes, size);
    putchar('}');
    free((void *)bytes);
    break;
  }
  case XMLRPC_TYPE_ARRAY: {
    int size = xmlrpc_array_size(&env, value);
    printf("{\"array\":[");
    for (int i = 0; i < size; i++) {
      xmlrpc_value *element;
      xmlrpc_array_read_item(&env, value, (unsigned)i, &element);
      if (i > 0) putchar(',');
      print_value(element);
      xmlrpc_DECREF(element);
    }
    printf("]}");
    break;
  }
  case XMLRPC_TYPE_STRUCT: {
    int size = xmlrpc_struct_size(&env, value);
    printf("{\"struct\":[");
    for (int i = 0; i < size; i++) {
      xmlrpc_value *key, *member;
      size_t length;
      const char *name;
      xmlrpc_struct_read_member(&env, value, (unsigned)i, &key, &member);
      xmlrpc_read_string_lp(&env, key, &length, &name);
      if (i > 0) putchar(',');
      putchar('[');
      print_hex(name, length);
      putchar(',');
      print_value(member);
      putchar(']');
      free((void *)name);
      xmlrpc_DECREF(key);
      xmlrpc_DECREF(member);
    }
    printf("]}");
    break;
  }
  case XMLRPC_TYPE_NIL:
    printf("{\"nil\":true}");
    break;
  default:
    printf("{\"unreadable\":true}");
  }
  xmlrpc_env_clean(&env);
}

static void decode(char kind, const char *document, size_t size) {
  xmlrpc_env env;
  xmlrpc_env_init(&env);
  if (kind == 'c') {
    const char *method = NULL;
    xmlrpc_value *params = NULL;
    xmlrpc_parse_call(&env, document, size, &method, &params);
    if (!env.fault_occurred) {
      printf("{\"method\":");
      print_hex(method, strlen(method));
      printf(",\"params\":");
      print_value(params);
      putchar('}');
      free((void *)method);
      xmlrpc_DECREF(params);
    }
  } else {
    xmlrpc_value *result = NULL;
    int code = 0;
    const char *string = NULL;
    xmlrpc_parse_response2(&env, document, size, &result, &code, &string);
    if (!env.fault_occurred) {
      if (string != NULL) {
        printf("{\"fault\":%d,\"string\":", code);
        print_hex(string, strlen(string));
        putchar('}');
        free((void *)string);
      } else {
        printf("{\"value\":");
        print_value(result);
        putchar('}');
        xmlrpc_DECREF(result);
      }
    }
  }
  if (env.fault_occurred) {
    printf("{\"error\":");
    print_hex(env.fault_string, strlen(env.fault_string));
    putchar('}');
  }
  putchar('\n');
  fflush(stdout);
  xmlrpc_env_clean(&env);
}

int main(void) {
  uint32_t length;
  char kind;
  xmlrpc_limit_set(XMLRPC_XML_SIZE_LIMIT_ID, 64 << 20);
  while (fread(&length, 4, 1, stdin) == 1 && fread(&kind, 1, 1, stdin) == 1) {
    size_t size = ntohl(length);
    char *document = malloc(size + 1);
    if (document == NULL || (size > 0 && fread(document, size, 1, stdin) != 1)) return 1;
    decode(kind, document, size);
    free(document);
  }
  return 0;
}
