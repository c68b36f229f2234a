/*
 * Answers with any status that a server can give, by procedure number. Program 0x20000e02, versions 2 and 3.
 * Usage: status_server [UNIX-PATH]
 *
 *     0  success, no result
 *     1  PROC_UNAVAIL          2  GARBAGE_ARGS         3  SYSTEM_ERR          4  PROG_UNAVAIL
 *     5  PROG_MISMATCH 4..9    6  AUTH_TOOWEAK
 *     7  prints the caller's AUTH_SYS credentials as a line of JSON; success; AUTH_TOOWEAK without them
 *     8  success, with an AUTH_SHORT verifier; this server, as libtirpc does, rejects the shorthand when it is used
 *     9  no answer             10 no answer, and the connection is closed
 *    11  success, and a line "called" (counts executions)
 *   100+n  AUTH_ERROR with auth_stat n
 */
#include <stdio.h>
#include <sys/socket.h>

#include "peer.h"

#define PROGRAM 0x20000e02

static void print_credentials(const struct authunix_parms *sys) {
  printf("{\"stamp\":%lu,\"machine\":\"%s\",\"uid\":%u,\"gid\":%u,\"gids\":[", sys->aup_time, sys->aup_machname,
         (unsigned)sys->aup_uid, (unsigned)sys->aup_gid);
  for (u_int i = 0; i < sys->aup_len; i++) printf(i == 0 ? "%u" : ",%u", (unsigned)sys->aup_gids[i]);
  printf("]}\n");
}

static void done(SVCXPRT *transport) { svc_sendreply(transport, (xdrproc_t)xdr_void, NULL); }

static void dispatch(struct svc_req *request, SVCXPRT *transport) {
  /* libtirpc's client takes the verifier's body for a whole opaque_auth: flavor 2 (AUTH_SHORT), length, handle. */
  static char shorthand[] = "\0\0\0\2\0\0\0\10short me";
  switch (request->rq_proc) {
    case 0:
      return done(transport);
    case 1:
      return svcerr_noproc(transport);
    case 2:
      return svcerr_decode(transport);
    case 3:
      return svcerr_systemerr(transport);
    case 4:
      return svcerr_noprog(transport);
    case 5:
      return svcerr_progvers(transport, 4, 9);
    case 6:
      return svcerr_weakauth(transport);
    case 7:
      if (request->rq_cred.oa_flavor != AUTH_SYS) return svcerr_weakauth(transport);
      print_credentials((struct authunix_parms *)request->rq_clntcred);
      return done(transport);
    case 8:
      transport->xp_verf.oa_flavor = AUTH_SHORT;
      transport->xp_verf.oa_base = shorthand;
      transport->xp_verf.oa_length = sizeof shorthand - 1;
      return done(transport);
    case 9:
      return;
    case 10:
      shutdown(transport->xp_fd, SHUT_RDWR);
      return;
    case 11:
      printf("called\n");
      return done(transport);
    default:
      if (request->rq_proc >= 100) return svcerr_auth(transport, (enum auth_stat)(request->rq_proc - 100));
      return svcerr_noproc(transport);
  }
}

int main(int argc, char **argv) {
  struct peer_listener listener;
  peer_listen(&listener, argc > 1 ? argv[1] : NULL);
  peer_serve(&listener, PROGRAM, 2, dispatch);
  peer_serve(&listener, PROGRAM, 3, dispatch);
  peer_run(&listener);
}
