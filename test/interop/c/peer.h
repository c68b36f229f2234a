/* What the C peers share: listening without rpcbind, the READY line, and the client's end. */
#ifndef PEER_H
#define PEER_H

#include <rpc/rpc.h>

typedef void (*peer_dispatch)(struct svc_req *, SVCXPRT *);

/* The largest message over UDP: what a datagram holds (65,507 bytes), less the header of a call with full credentials. */
#define PEER_DATAGRAM 65000

/* Serves on TCP and UDP on 127.0.0.1, any free port, and on a Unix socket where `path` is not NULL. */
struct peer_listener {
  SVCXPRT *tcp, *udp, *local;
  int tcp_port, udp_port;
  const char *path;
};
void peer_listen(struct peer_listener *listener, const char *path);
/* Serves one version of a program on all of them; rpcbind is not told. */
void peer_serve(struct peer_listener *listener, rpcprog_t program, rpcvers_t version, peer_dispatch dispatch);
/* Says `READY tcp=PORT udp=PORT [unix=PATH]` and serves until killed. */
void peer_run(struct peer_listener *listener);

/* A client of `tcp` or `udp` with a port of 127.0.0.1, or of `unix` with a path; rpcbind is not asked. Exits if it cannot. */
CLIENT *peer_connect(const char *transport, const char *address, rpcprog_t program, rpcvers_t version);

/* Ends this process when the one that started it ends, however that happens. */
void peer_die_with_parent(void);

/* Byte `i` of the pattern that large opaque data carry. */
#define PEER_PATTERN(i) ((char)((i) * 7))

#endif
