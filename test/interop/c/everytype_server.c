/* Serves everytype.x: rpcgen's dispatcher, and a function for each procedure. Usage: everytype_server [UNIX-PATH] */
#include <stdlib.h>

#include "everytype.h"
#include "peer.h"

#define ECHO(type, procedure)                                                      \
  bool_t procedure##_1_svc(type argument, type *result, struct svc_req *request) { \
    (void)request;                                                                 \
    *result = argument;                                                            \
    return TRUE;                                                                   \
  }

ECHO(int, echo_int)
ECHO(u_int, echo_unsigned)
ECHO(quad_t, echo_hyper)
ECHO(u_quad_t, echo_unsigned_hyper)
ECHO(float, echo_float)
ECHO(double, echo_double)
ECHO(bool_t, echo_bool)
ECHO(color, echo_enum)
ECHO(text, echo_string)
ECHO(any_bytes, echo_opaque)
ECHO(boxed_bytes, echo_fixed_opaque)
ECHO(boxed_ints, echo_fixed_array)
ECHO(some_ints, echo_array)
ECHO(texts, echo_strings)
ECHO(pixel, echo_struct)
ECHO(number, echo_union)
ECHO(outcome, echo_default_union)
ECHO(place, echo_bool_union)
ECHO(list, echo_list)
ECHO(boxed_quad, echo_quadruple)
ECHO(everything, echo_everything)

bool_t echo_void_1_svc(void *result, struct svc_req *request) {
  (void)result, (void)request;
  return TRUE;
}

bool_t subtract_1_svc(int a, int b, int *result, struct svc_req *request) {
  (void)request;
  *result = a - b;
  return TRUE;
}

bool_t produce_1_svc(u_int length, any_bytes *result, struct svc_req *request) {
  static char *data;
  static u_int size;
  (void)request;
  if (length > size) {
    data = realloc(data, length);
    for (u_int i = 0; i < length; i++) data[i] = PEER_PATTERN(i);
    size = length;
  }
  result->any_bytes_val = data;
  result->any_bytes_len = length;
  return TRUE;
}

/* How many bytes of the argument follow the pattern. */
bool_t consume_1_svc(any_bytes argument, u_int *result, struct svc_req *request) {
  u_int i = 0;
  (void)request;
  while (i < argument.any_bytes_len && argument.any_bytes_val[i] == PEER_PATTERN(i)) i++;
  *result = i;
  return TRUE;
}

/* Results share the argument's memory, which the dispatcher frees. */
int every_type_1_freeresult(SVCXPRT *transport, xdrproc_t xdr, caddr_t result) {
  (void)transport, (void)xdr, (void)result;
  return TRUE;
}

void every_type_1(struct svc_req *, SVCXPRT *);

int main(int argc, char **argv) {
  struct peer_listener listener;
  peer_listen(&listener, argc > 1 ? argv[1] : NULL);
  peer_serve(&listener, EVERY_TYPE, EVERY_TYPE_V1, every_type_1);
  peer_run(&listener);
}
