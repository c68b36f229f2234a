#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what) {
  perror(what);
  exit(1);
}

void peer_die_with_parent(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static int bound_socket(int type, int *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, type, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  if (getsockname(fd, (struct sockaddr *)&address, &length) < 0) fail("getsockname");
  if (type == SOCK_STREAM && listen(fd, 128) < 0) fail("listen");
  *port = ntohs(address.sin_port);
  return fd;
}

static int bound_path(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  unlink(path);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 128) < 0) fail("bind unix");
  return fd;
}

void peer_listen(struct peer_listener *listener, const char *path) {
  peer_die_with_parent();
  memset(listener, 0, sizeof *listener);
  listener->tcp = svctcp_create(bound_socket(SOCK_STREAM, &listener->tcp_port), 0, 0);
  listener->udp = svcudp_bufcreate(bound_socket(SOCK_DGRAM, &listener->udp_port), PEER_DATAGRAM, PEER_DATAGRAM);
  listener->path = path;
  if (path != NULL) listener->local = svc_vc_create(bound_path(path), 0, 0);
  if (listener->tcp == NULL || listener->udp == NULL || (path != NULL && listener->local == NULL)) {
    fprintf(stderr, "cannot create a server transport\n");
    exit(1);
  }
}

static void serve(SVCXPRT *transport, rpcprog_t program, rpcvers_t version, peer_dispatch dispatch) {
  /* Protocol 0 keeps rpcbind out of it. */
  if (transport != NULL && !svc_register(transport, program, version, dispatch, 0)) {
    fprintf(stderr, "cannot register %lu version %lu\n", (unsigned long)program, (unsigned long)version);
    exit(1);
  }
}

void peer_serve(struct peer_listener *listener, rpcprog_t program, rpcvers_t version, peer_dispatch dispatch) {
  serve(listener->tcp, program, version, dispatch);
  serve(listener->udp, program, version, dispatch);
  serve(listener->local, program, version, dispatch);
}

void peer_run(struct peer_listener *listener) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  /* A caller that is gone must not take the server with it. */
  signal(SIGPIPE, SIG_IGN);
  printf("READY tcp=%d udp=%d", listener->tcp_port, listener->udp_port);
  if (listener->path != NULL) printf(" unix=%s", listener->path);
  printf("\n");
  svc_run();
  fail("svc_run");
}

CLIENT *peer_connect(const char *transport, const char *address, rpcprog_t program, rpcvers_t version) {
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct timeval retry = {1, 0};
  CLIENT *client = NULL;
  int fd = RPC_ANYSOCK;
  peer.sin_port = htons((uint16_t)atoi(address));
  if (strcmp(transport, "tcp") == 0) {
    client = clnttcp_create(&peer, program, version, &fd, 0, 0);
  } else if (strcmp(transport, "udp") == 0) {
    client = clntudp_bufcreate(&peer, program, version, retry, &fd, PEER_DATAGRAM, PEER_DATAGRAM);
  } else if (strcmp(transport, "unix") == 0) {
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct netbuf buffer = {.buf = &local, .len = sizeof local, .maxlen = sizeof local};
    strncpy(local.sun_path, address, sizeof local.sun_path - 1);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&local, sizeof local) < 0) fail("connect unix");
    client = clnt_vc_create(fd, &buffer, program, version, 0, 0);
  } else {
    fprintf(stderr, "unknown transport %s\n", transport);
    exit(2);
  }
  if (client == NULL) {
    clnt_pcreateerror("cannot create a client");
    exit(1);
  }
  return client;
}
