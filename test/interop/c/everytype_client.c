/*
 * Calls a server of everytype.x.
 *
 *   everytype_client TRANSPORT ADDRESS types            every type with interesting values
 *   everytype_client TRANSPORT ADDRESS sizes BYTES...   opaque data of these sizes, there and back
 *   everytype_client - - bytes                          prints each value's encoding instead of calling
 *
 * Prints `ok NAME` or `fail NAME REASON` for each call, or `NAME HEX`. Exits 1 if any failed.
 */
#include <float.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "everytype.h"
#include "peer.h"

static const struct timeval patience = {20, 0};
static CLIENT *client;
static int failures;

static void verdict(const char *name, const char *reason) {
  if (reason == NULL) {
    printf("ok %s\n", name);
  } else {
    printf("fail %s %s\n", name, reason);
    failures++;
  }
}

/* The value's encoding in a fresh buffer. */
static char *encoded(xdrproc_t codec, void *value, u_int *length) {
  u_int size = xdr_sizeof(codec, value);
  char *bytes = calloc(1, size + 1);
  XDR xdr;
  xdrmem_create(&xdr, bytes, size, XDR_ENCODE);
  if (!codec(&xdr, value)) {
    fprintf(stderr, "cannot encode\n");
    exit(1);
  }
  *length = xdr_getpos(&xdr);
  return bytes;
}

static void print_bytes(const char *name, xdrproc_t codec, void *value) {
  u_int length;
  char *bytes = encoded(codec, value, &length);
  printf("%s ", name);
  for (u_int i = 0; i < length; i++) printf("%02x", (unsigned char)bytes[i]);
  printf("\n");
  free(bytes);
}

/* Calls, and compares what came back with what was sent, by encoding: that compares values of any type exactly. */
static void echo(const char *name, rpcproc_t procedure, xdrproc_t codec, void *value, size_t size) {
  u_int sent_length, got_length;
  char *sent, *got;
  void *result;
  enum clnt_stat status;
  if (client == NULL) {
    print_bytes(name, codec, value);
    return;
  }
  result = calloc(1, size);
  status = clnt_call(client, procedure, codec, value, codec, result, patience);
  if (status != RPC_SUCCESS) {
    verdict(name, clnt_sperrno(status));
    return;
  }
  sent = encoded(codec, value, &sent_length);
  got = encoded(codec, result, &got_length);
  verdict(name, sent_length == got_length && memcmp(sent, got, sent_length) == 0 ? NULL : "another value came back");
  free(sent);
  free(got);
  clnt_freeres(client, codec, result);
  free(result);
}

#define ECHO(name, procedure, type, codec, ...)                               \
  do {                                                                        \
    type value_ = __VA_ARGS__;                                                \
    echo(name, procedure, (xdrproc_t)codec, &value_, sizeof value_);          \
  } while (0)

/* IEEE 754 binary128, most significant byte first: RFC 4506, section 4.8. */
static void echo_quadruple(const char *name, __float128 value) {
  boxed_quad box;
  for (int i = 0; i < 16; i++) box.it[i] = ((char *)&value)[15 - i];
  echo(name, ECHO_QUADRUPLE, (xdrproc_t)xdr_boxed_quad, &box, sizeof box);
}

static node *chain(int count) {
  node *first = NULL;
  while (count-- > 0) {
    node *next = malloc(sizeof *next);
    next->value = count;
    next->next = first;
    first = next;
  }
  return first;
}

static void types(void) {
  char *many[] = {"", "a", "ab", "abc", "abcd", "h\xc3\xa4\xc3\x9flich"};
  int ten[] = {0, 1, -1, 2, -2, INT_MAX, INT_MIN, 7, 8, 9};
  char bytes[] = {0, 1, (char)0xff, (char)0x80, 0x7f};
  everything all = {
      .i = -5, .u = 4000000000u, .h = -5000000000ll, .uh = 18000000000000000000ull, .f = 1.5f, .d = -2.25, .b = TRUE,
      .c = BLUE, .s = "text", .o = {3, bytes}, .fo = {1, 2, 3, 4, 5}, .a = {7, 8, 9}, .v = {4, ten}, .ss = {6, many},
      .p = {{1, -2}, GREEN, FALSE, "label"}, .n = {GREEN, {.wide = 0.1}}, .r = {2, {.why = "because"}},
      .w = {TRUE, {.at = {3, 4}}}, .l = chain(3), .tail = {1, bytes + 2}};

  ECHO("int-zero", ECHO_INT, int, xdr_int, 0);
  ECHO("int-min", ECHO_INT, int, xdr_int, INT_MIN);
  ECHO("int-max", ECHO_INT, int, xdr_int, INT_MAX);
  ECHO("unsigned-max", ECHO_UNSIGNED, u_int, xdr_u_int, UINT_MAX);
  ECHO("unsigned-high-bit", ECHO_UNSIGNED, u_int, xdr_u_int, 0x80000000u);
  ECHO("hyper-min", ECHO_HYPER, quad_t, xdr_quad_t, LLONG_MIN);
  ECHO("hyper-max", ECHO_HYPER, quad_t, xdr_quad_t, LLONG_MAX);
  ECHO("hyper-minus-one", ECHO_HYPER, quad_t, xdr_quad_t, -1);
  ECHO("hyper-beyond-double", ECHO_HYPER, quad_t, xdr_quad_t, 9007199254740993ll);
  ECHO("unsigned-hyper-max", ECHO_UNSIGNED_HYPER, u_quad_t, xdr_u_quad_t, ULLONG_MAX);
  ECHO("float-third", ECHO_FLOAT, float, xdr_float, 1.0f / 3.0f);
  ECHO("float-min", ECHO_FLOAT, float, xdr_float, FLT_TRUE_MIN);
  ECHO("float-max", ECHO_FLOAT, float, xdr_float, FLT_MAX);
  ECHO("float-minus-zero", ECHO_FLOAT, float, xdr_float, -0.0f);
  ECHO("double-tenth", ECHO_DOUBLE, double, xdr_double, 0.1);
  ECHO("double-min", ECHO_DOUBLE, double, xdr_double, DBL_TRUE_MIN);
  ECHO("double-max", ECHO_DOUBLE, double, xdr_double, DBL_MAX);
  ECHO("double-infinity", ECHO_DOUBLE, double, xdr_double, -__builtin_inf());
  ECHO("double-nan", ECHO_DOUBLE, double, xdr_double, __builtin_nan(""));
  echo_quadruple("quadruple-one", 1);
  echo_quadruple("quadruple-minus-third", -(__float128)1 / 3);
  echo_quadruple("quadruple-beyond-double", (__float128)DBL_MAX * 2);
  ECHO("bool-true", ECHO_BOOL, bool_t, xdr_bool, TRUE);
  ECHO("bool-false", ECHO_BOOL, bool_t, xdr_bool, FALSE);
  ECHO("enum-zero", ECHO_ENUM, color, xdr_color, RED);
  ECHO("enum-negative", ECHO_ENUM, color, xdr_color, BLUE);
  ECHO("string-empty", ECHO_STRING, text, xdr_text, "");
  ECHO("string-padded-1", ECHO_STRING, text, xdr_text, "abc");
  ECHO("string-padded-0", ECHO_STRING, text, xdr_text, "abcd");
  ECHO("string-padded-3", ECHO_STRING, text, xdr_text, "abcde");
  ECHO("string-utf8", ECHO_STRING, text, xdr_text, "\xe2\x82\xac \xf0\x9f\x99\x82");
  ECHO("opaque-empty", ECHO_OPAQUE, any_bytes, xdr_any_bytes, {0, NULL});
  ECHO("opaque-odd", ECHO_OPAQUE, any_bytes, xdr_any_bytes, {5, bytes});
  ECHO("opaque-fixed", ECHO_FIXED_OPAQUE, boxed_bytes, xdr_boxed_bytes, {{0, 1, (char)0xff, (char)0x80, 0x7f}});
  ECHO("array-fixed", ECHO_FIXED_ARRAY, boxed_ints, xdr_boxed_ints, {{-2, INT_MAX, INT_MIN}});
  ECHO("array-empty", ECHO_ARRAY, some_ints, xdr_some_ints, {0, NULL});
  ECHO("array-full", ECHO_ARRAY, some_ints, xdr_some_ints, {10, ten});
  ECHO("array-of-strings", ECHO_STRINGS, texts, xdr_texts, {6, many});
  ECHO("struct", ECHO_STRUCT, pixel, xdr_pixel, {{-1, 1ll << 40}, BLUE, TRUE, "12345678"});
  ECHO("union-int", ECHO_UNION, number, xdr_number, {RED, {.small = -9}});
  ECHO("union-double", ECHO_UNION, number, xdr_number, {GREEN, {.wide = 2.5}});
  ECHO("union-void", ECHO_UNION, number, xdr_number, {BLUE, {0}});
  ECHO("union-first-case", ECHO_DEFAULT_UNION, outcome, xdr_outcome, {0, {.data = {3, bytes}}});
  ECHO("union-shared-case", ECHO_DEFAULT_UNION, outcome, xdr_outcome, {2, {.why = "two"}});
  ECHO("union-default", ECHO_DEFAULT_UNION, outcome, xdr_outcome, {-77, {{0}}});
  ECHO("union-bool-true", ECHO_BOOL_UNION, place, xdr_place, {TRUE, {.at = {1, 2}}});
  ECHO("union-bool-false", ECHO_BOOL_UNION, place, xdr_place, {FALSE, {{0}}});
  ECHO("list-empty", ECHO_LIST, list, xdr_list, NULL);
  ECHO("list-one", ECHO_LIST, list, xdr_list, chain(1));
  ECHO("list-thousand", ECHO_LIST, list, xdr_list, chain(client == NULL ? 3 : 1000));
  echo("everything", ECHO_EVERYTHING, (xdrproc_t)xdr_everything, &all, sizeof all);

  /* rpcgen's own client stubs. */
  if (client != NULL) {
    char nothing;
    int difference = 0;
    enum clnt_stat status = echo_void_1(&nothing, client);
    verdict("void", status == RPC_SUCCESS ? NULL : clnt_sperrno(status));
    status = subtract_1(5, 7, &difference, client);
    verdict("several-arguments", status != RPC_SUCCESS ? clnt_sperrno(status) : difference == -2 ? NULL : "not -2");
  }
}

static void sizes(int count, char **list) {
  for (int n = 0; n < count; n++) {
    u_int length = (u_int)strtoul(list[n], NULL, 10), matched = 0;
    any_bytes sent = {length, malloc(length + 1)}, got;
    char name[64];
    enum clnt_stat status;
    for (u_int i = 0; i < length; i++) sent.any_bytes_val[i] = PEER_PATTERN(i);

    snprintf(name, sizeof name, "echo-%u", length);
    echo(name, ECHO_OPAQUE, (xdrproc_t)xdr_any_bytes, &sent, sizeof sent);

    snprintf(name, sizeof name, "consume-%u", length);
    status = clnt_call(client, CONSUME, (xdrproc_t)xdr_any_bytes, (void *)&sent, (xdrproc_t)xdr_u_int,
                       (void *)&matched, patience);
    verdict(name, status != RPC_SUCCESS ? clnt_sperrno(status) : matched == length ? NULL : "changed on the way");

    snprintf(name, sizeof name, "produce-%u", length);
    memset(&got, 0, sizeof got);
    status = clnt_call(client, PRODUCE, (xdrproc_t)xdr_u_int, (void *)&length, (xdrproc_t)xdr_any_bytes, (void *)&got,
                       patience);
    if (status != RPC_SUCCESS) {
      verdict(name, clnt_sperrno(status));
    } else {
      int same = got.any_bytes_len == length && memcmp(got.any_bytes_val, sent.any_bytes_val, length) == 0;
      verdict(name, same ? NULL : "other bytes");
      clnt_freeres(client, (xdrproc_t)xdr_any_bytes, (void *)&got);
    }
    free(sent.any_bytes_val);
  }
}

int main(int argc, char **argv) {
  struct timeval patient = patience;
  setvbuf(stdout, NULL, _IOLBF, 0);
  peer_die_with_parent();
  if (argc < 4) return 2;
  if (strcmp(argv[3], "bytes") != 0) {
    client = peer_connect(argv[1], argv[2], EVERY_TYPE, EVERY_TYPE_V1);
    clnt_control(client, CLSET_TIMEOUT, (char *)&patient);
  }
  if (strcmp(argv[3], "sizes") == 0) {
    sizes(argc - 4, argv + 4);
  } else {
    types();
  }
  return failures > 0;
}
