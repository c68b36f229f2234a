/*
 * Calls any procedure with any bytes, and says what libtirpc makes of the answer.
 *
 *   raw_client TRANSPORT ADDRESS PROGRAM VERSION PROCEDURE [ARGUMENTS-IN-HEX] [-r RESULT-BYTES] [-n TIMES]
 *              [-t TIMEOUT-MS] [-T RETRY-MS] [-s MACHINE,UID,GID[,GID...]]
 *
 * -T sends a datagram again, under the same xid, every so often until it is answered (one second unless told otherwise).
 * -s sends AUTH_SYS credentials. Prints one line of JSON for each call: `stat` (clnt_stat) and `text`; then `low` and
 * `high` of a version mismatch, `why` of an authentication error, or `result` in hex of a success; and `flavor`, the
 * one of the credentials that the next call will carry (AUTH_SHORT, once a server has handed one out).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

struct bytes {
  char *data;
  u_int length;
};

static bool_t xdr_bytes_as_they_are(XDR *xdr, struct bytes *bytes) {
  return bytes->length == 0 || xdr_opaque(xdr, bytes->data, bytes->length);
}

static struct bytes from_hex(const char *hex) {
  struct bytes bytes = {malloc(strlen(hex) / 2 + 1), (u_int)(strlen(hex) / 2)};
  for (u_int i = 0; i < bytes.length; i++) {
    unsigned value;
    sscanf(hex + 2 * i, "%2x", &value);
    bytes.data[i] = (char)value;
  }
  return bytes;
}

static AUTH *sys_credentials(char *text) {
  char *machine = strtok(text, ",");
  uid_t uid = (uid_t)strtoul(strtok(NULL, ","), NULL, 10);
  gid_t gid = (gid_t)strtoul(strtok(NULL, ","), NULL, 10), gids[16];
  int count = 0;
  for (char *next; count < 16 && (next = strtok(NULL, ",")) != NULL; count++) gids[count] = (gid_t)strtoul(next, NULL, 10);
  return authunix_create(machine, uid, gid, count, gids);
}

int main(int argc, char **argv) {
  struct bytes arguments = {NULL, 0}, result = {NULL, 0};
  struct timeval timeout = {20, 0}, retry = {0, 0};
  int times = 1, option;
  char *credentials = NULL;
  CLIENT *client;
  setvbuf(stdout, NULL, _IOLBF, 0);
  peer_die_with_parent();
  while ((option = getopt(argc, argv, "r:n:t:T:s:")) != -1) {
    switch (option) {
      case 'r':
        result.length = (u_int)strtoul(optarg, NULL, 10);
        result.data = calloc(1, result.length + 1);
        break;
      case 'n':
        times = atoi(optarg);
        break;
      case 't':
        timeout.tv_sec = atoi(optarg) / 1000;
        timeout.tv_usec = atoi(optarg) % 1000 * 1000;
        break;
      case 'T':
        retry.tv_sec = atoi(optarg) / 1000;
        retry.tv_usec = atoi(optarg) % 1000 * 1000;
        break;
      case 's':
        credentials = optarg;
        break;
      default:
        return 2;
    }
  }
  if (argc - optind < 5) return 2;
  argv += optind;
  client = peer_connect(argv[0], argv[1], strtoul(argv[2], NULL, 0), strtoul(argv[3], NULL, 0));
  clnt_control(client, CLSET_TIMEOUT, (char *)&timeout);
  if (retry.tv_sec + retry.tv_usec > 0) clnt_control(client, CLSET_RETRY_TIMEOUT, (char *)&retry);
  if (credentials != NULL) {
    auth_destroy(client->cl_auth);
    client->cl_auth = sys_credentials(credentials);
  }
  if (argc - optind > 5) arguments = from_hex(argv[5]);
  while (times-- > 0) {
    struct rpc_err error;
    enum clnt_stat status =
        clnt_call(client, strtoul(argv[4], NULL, 0), (xdrproc_t)xdr_bytes_as_they_are, (void *)&arguments,
                  (xdrproc_t)xdr_bytes_as_they_are, (void *)&result, timeout);
    clnt_geterr(client, &error);
    printf("{\"stat\":%d,\"text\":\"%s\"", status, clnt_sperrno(status));
    if (status == RPC_PROGVERSMISMATCH || status == RPC_VERSMISMATCH) {
      printf(",\"low\":%lu,\"high\":%lu", (unsigned long)error.re_vers.low, (unsigned long)error.re_vers.high);
    }
    if (status == RPC_AUTHERROR) printf(",\"why\":%d", error.re_why);
    if (status == RPC_SUCCESS) {
      printf(",\"result\":\"");
      for (u_int i = 0; i < result.length; i++) printf("%02x", (unsigned char)result.data[i]);
      printf("\"");
    }
    printf(",\"flavor\":%d}\n", client->cl_auth->ah_cred.oa_flavor);
  }
  return 0;
}
