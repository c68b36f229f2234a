/*
 * The oldest way to call: callrpc, over UDP, by way of rpcbind.
 *   classic_client PROGRAM VERSION PROCEDURE INT     calls int to int; prints one line of JSON: stat, text, value
 *   classic_client PROGRAM VERSION PROCEDURE "TEXT"  calls string to void
 */
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"

int main(int argc, char **argv) {
  int argument, result = 0, status;
  char *end;
  peer_die_with_parent();
  if (argc != 5) return 2;
  argument = (int)strtol(argv[4], &end, 10);
  status = *end == '\0' ? callrpc("127.0.0.1", atoi(argv[1]), atoi(argv[2]), atoi(argv[3]), (xdrproc_t)xdr_int,
                                  (char *)&argument, (xdrproc_t)xdr_int, (char *)&result)
                        : callrpc("127.0.0.1", atoi(argv[1]), atoi(argv[2]), atoi(argv[3]), (xdrproc_t)xdr_wrapstring,
                                  (char *)&argv[4], (xdrproc_t)xdr_void, NULL);
  printf("{\"stat\":%d,\"text\":\"%s\",\"value\":%d}\n", status, clnt_sperrno((enum clnt_stat)status), result);
  return 0;
}
