/*
 * The oldest way to serve: registerrpc and svc_run, over UDP, registered with rpcbind.
 * Program 0x20000e03 version 1: procedure 1 takes an int and answers twice its value; 2 prints the string it is given.
 */
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"

#define PROGRAM 0x20000e03

static char *twice(char *argument) {
  static int result;
  result = 2 * *(int *)argument;
  return (char *)&result;
}

static char *say(char *argument) {
  static char nothing;
  printf("%s\n", *(char **)argument);
  return &nothing;
}

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  peer_die_with_parent();
  if (registerrpc(PROGRAM, 1, 1, twice, (xdrproc_t)xdr_int, (xdrproc_t)xdr_int) != 0 ||
      registerrpc(PROGRAM, 1, 2, say, (xdrproc_t)xdr_wrapstring, (xdrproc_t)xdr_void) != 0) {
    fprintf(stderr, "registerrpc failed\n");
    return 1;
  }
  printf("READY\n");
  svc_run();
  return 1;
}
