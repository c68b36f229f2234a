/*
 * A procedure that does not reply, as RFC 5531, section 8, has it for batching. Program 0x20000e05, version 1.
 * Usage: oneway_server [UNIX-PATH]
 *
 *     1  void NOTE(int): prints "note N", and does not reply
 *     2  int COUNT(void): how many notes have come, and a line "count N"
 */
#include <stdio.h>

#include "peer.h"

#define PROGRAM 0x20000e05

static int notes = 0;

static void dispatch(struct svc_req *request, SVCXPRT *transport) {
  int value;
  switch (request->rq_proc) {
    case 0:
      svc_sendreply(transport, (xdrproc_t)xdr_void, NULL);
      return;
    case 1:
      if (!svc_getargs(transport, (xdrproc_t)xdr_int, (void *)&value)) return;
      notes++;
      printf("note %d\n", value);
      return;
    case 2:
      printf("count %d\n", notes);
      svc_sendreply(transport, (xdrproc_t)xdr_int, (void *)&notes);
      return;
    default:
      svcerr_noproc(transport);
  }
}

int main(int argc, char **argv) {
  struct peer_listener listener;
  peer_listen(&listener, argc > 1 ? argv[1] : NULL);
  peer_serve(&listener, PROGRAM, 1, dispatch);
  peer_run(&listener);
}
