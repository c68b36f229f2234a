/*
 * Finds a program by rpcbind, as C clients do: clnt_create with a host and a kind of transport.
 *   finding_client HOST NETID PROGRAM VERSION INT    calls procedure 1; prints one line of JSON: stat, text, value
 */
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"

int main(int argc, char **argv) {
  struct timeval patience = {10, 0};
  CLIENT *client;
  int argument, result = 0;
  enum clnt_stat status;
  peer_die_with_parent();
  if (argc != 6) return 2;
  client = clnt_create(argv[1], strtoul(argv[3], NULL, 0), strtoul(argv[4], NULL, 0), argv[2]);
  argument = atoi(argv[5]);
  status = client == NULL ? rpc_createerr.cf_stat
                          : clnt_call(client, 1, (xdrproc_t)xdr_int, (char *)&argument, (xdrproc_t)xdr_int,
                                      (char *)&result, patience);
  printf("{\"stat\":%d,\"text\":\"%s\",\"value\":%d}\n", status, clnt_sperrno(status), result);
  return 0;
}
