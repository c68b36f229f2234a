/*
 * Calls the calculator and the file service by ONC RPC: client PORT WRITE-NAME TEXT READ-NAME
 *
 * README.md says how it is built.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calc.h"
#include "files.h"

static const char *status_names[] = {"FILE_OK",       "FILE_NO_ENTRY",      "FILE_BAD_NAME",     "FILE_STALE",       "FILE_NOT_OPEN",
                                     "FILE_TOO_MANY_OPEN", "FILE_OUT_OF_RANGE", "FILE_NOT_WRITABLE", "FILE_IO_ERROR"};

/* rpcbind is not asked: the server has not registered. */
static CLIENT *client_of(int port, rpcprog_t program, rpcvers_t version) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int socket = RPC_ANYSOCK;
  CLIENT *client;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  client = clnttcp_create(&address, program, version, &socket, 0, 0);
  if (client == NULL) {
    clnt_pcreateerror("client");
    exit(1);
  }
  return client;
}

static void must(enum clnt_stat status, CLIENT *client) {
  if (status == RPC_SUCCESS) return;
  clnt_perror(client, "client");
  exit(1);
}

static void divide(CLIENT *calc, int a, int b) {
  pair operands = {a, b};
  division result;
  memset(&result, 0, sizeof result);
  must(divide_1(operands, &result, calc), calc);
  if (result.status == DIVISION_OK)
    printf("%d / %d = %d remainder %d\n", a, b, result.division_u.value.quotient, result.division_u.value.remainder);
  else
    printf("%d / %d is not possible\n", a, b);
}

int main(int argc, char **argv) {
  CLIENT *calc, *files;
  pair operands = {1, 2};
  double values[] = {1, 2.5, 4}, mean = 0;
  int sum = 0;
  position_result written;
  read_result read;
  if (argc != 5) return 2;
  calc = client_of(atoi(argv[1]), CALC_PROG, CALC_VERS);
  files = client_of(atoi(argv[1]), STATELESS_FILES, STATELESS_FILES_V1);

  must(add_1(operands, &sum, calc), calc);
  printf("1 + 2 = %d\n", sum);
  divide(calc, 7, 2);
  divide(calc, 7, 0);
  must(average_1((samples){3, values}, &mean, calc), calc);
  printf("the mean of 1, 2.5 and 4 is %g\n", mean);

  memset(&written, 0, sizeof written);
  must(stateless_write_1(argv[2], 0, (file_data){strlen(argv[3]), argv[3]}, &written, files), files);
  printf("%s %s up to %llu\n", argv[2], status_names[written.status], (unsigned long long)written.position_result_u.position);
  memset(&read, 0, sizeof read);
  must(stateless_read_1(argv[4], 0, 100, &read, files), files);
  printf("%s %s %.*s\n", argv[4], status_names[read.status], read.status == FILE_OK ? (int)read.read_result_u.data.file_data_len : 0,
         read.status == FILE_OK ? read.read_result_u.data.file_data_val : "");
  return 0;
}
