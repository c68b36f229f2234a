/* xmlrpc-c's codec of one answer: `xmlrpc-c decode|encode MS FILE` prints the milliseconds that one takes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xmlrpc-c/base.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
  static char document[1 << 24];
  int decode = argc > 3 && strcmp(argv[1], "decode") == 0;
  int operations = 0, code;
  const char *string;
  double start, end;
  size_t size;
  xmlrpc_env env;
  xmlrpc_value *value;
  FILE *file;
  if (argc < 4 || (file = fopen(argv[3], "rb")) == NULL) return 2;
  size = fread(document, 1, sizeof document, file);
  xmlrpc_env_init(&env);
  xmlrpc_limit_set(XMLRPC_XML_SIZE_LIMIT_ID, sizeof document);
  xmlrpc_parse_response2(&env, document, size, &value, &code, &string);
  if (env.fault_occurred) return 1;
  start = now();
  end = start + atof(argv[2]);
  do {
    if (decode) {
      xmlrpc_value *again;
      xmlrpc_parse_response2(&env, document, size, &again, &code, &string);
      if (env.fault_occurred) return 1;
      xmlrpc_DECREF(again);
    } else {
      xmlrpc_mem_block *block = xmlrpc_mem_block_new(&env, 0);
      xmlrpc_serialize_response(&env, block, value);
      if (env.fault_occurred || xmlrpc_mem_block_size(block) < size / 2) return 1;
      xmlrpc_mem_block_free(block);
    }
    operations++;
  } while (now() < end);
  printf("%.4f\n", (now() - start) / operations);
  return 0;
}
