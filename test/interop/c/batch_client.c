/*
 * Calls in batches: no time to wait, no result to decode, so libtirpc gathers them over a stream and waits for none.
 *
 *   batch_client TRANSPORT ADDRESS PROGRAM VERSION PROCEDURE TIMES FLUSH-PROCEDURE
 *
 * Calls PROCEDURE with the integers from 1 to TIMES and prints "sent N STAT" of each (clnt_stat), then calls
 * FLUSH-PROCEDURE, whose result is an integer, the usual way: "flushed STAT RESULT".
 */
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"

int main(int argc, char **argv) {
  struct timeval none = {0, 0}, usual = {20, 0};
  int result = -1;
  CLIENT *client;
  enum clnt_stat status;
  setvbuf(stdout, NULL, _IOLBF, 0);
  peer_die_with_parent();
  if (argc != 8) return 2;
  client = peer_connect(argv[1], argv[2], strtoul(argv[3], NULL, 0), strtoul(argv[4], NULL, 0));
  for (int i = 1; i <= atoi(argv[6]); i++) {
    status = clnt_call(client, strtoul(argv[5], NULL, 0), (xdrproc_t)xdr_int, (void *)&i, NULL, NULL, none);
    printf("sent %d %d\n", i, status);
  }
  status = clnt_call(client, strtoul(argv[7], NULL, 0), (xdrproc_t)xdr_void, NULL, (xdrproc_t)xdr_int, (void *)&result,
                     usual);
  printf("flushed %d %d\n", status, result);
  return 0;
}
