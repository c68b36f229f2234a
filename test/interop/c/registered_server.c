/*
 * A server as C programs are since TI-RPC: svc_tp_create, which registers with rpcbind over its Unix socket.
 *   registered_server NETID...
 * Program 0x20000e21 version 3: procedure 1 takes an int and answers twice its value. Prints READY, or `failed NETID`;
 * SIGTERM takes the registrations back and prints ENDED.
 */
#include <netconfig.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "peer.h"

#define PROGRAM 0x20000e21
#define VERSION 3

static void dispatch(struct svc_req *request, SVCXPRT *transport) {
  int value = 0;
  if (request->rq_proc == 0) {
    svc_sendreply(transport, (xdrproc_t)xdr_void, NULL);
  } else if (request->rq_proc == 1) {
    if (!svc_getargs(transport, (xdrproc_t)xdr_int, (char *)&value)) {
      svcerr_decode(transport);
      return;
    }
    value *= 2;
    svc_sendreply(transport, (xdrproc_t)xdr_int, (char *)&value);
  } else {
    svcerr_noproc(transport);
  }
}

static void end(int signal) {
  svc_unreg(PROGRAM, VERSION);
  printf("ENDED\n");
  _exit(0);
}

int main(int argc, char **argv) {
  int i;
  setvbuf(stdout, NULL, _IOLBF, 0);
  peer_die_with_parent();
  for (i = 1; i < argc; i++) {
    struct netconfig *transport = getnetconfigent(argv[i]);
    if (transport == NULL || svc_tp_create(dispatch, PROGRAM, VERSION, transport) == NULL) {
      printf("failed %s\n", argv[i]);
      return 1;
    }
  }
  signal(SIGTERM, end);
  printf("READY\n");
  svc_run();
  return 1;
}
