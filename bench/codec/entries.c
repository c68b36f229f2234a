/*
 * rpcgen's codec of 100 entries: `entries encode|decode MS` prints the nanoseconds that one takes.
 * Decoding allocates, as it does in a call, and frees.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

enum { COUNT = 100, BYTES = 4004, BATCH = 1000 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(int argc, char **argv) {
  static entry items[COUNT];
  static char bytes[BYTES];
  entries value = {COUNT, items};
  double start, end;
  long operations = 0;
  int decode = argc > 2 && strcmp(argv[1], "decode") == 0;
  XDR xdr;
  if (argc < 3) return 2;
  for (int i = 0; i < COUNT; i++) {
    items[i] = (entry){i, "some-name-here", i * 0.5, (quad_t)i * 1000000007};
  }
  xdrmem_create(&xdr, bytes, BYTES, XDR_ENCODE);
  if (!xdr_entries(&xdr, &value) || xdr_getpos(&xdr) != BYTES) return 1;
  start = now();
  end = start + atof(argv[2]) * 1e6;
  do {
    for (int i = 0; i < BATCH; i++) {
      if (decode) {
        entries got = {0, NULL};
        xdrmem_create(&xdr, bytes, BYTES, XDR_DECODE);
        if (!xdr_entries(&xdr, &got) || got.entries_len != COUNT) return 1;
        xdr_free((xdrproc_t)xdr_entries, (void *)&got);
      } else {
        xdrmem_create(&xdr, bytes, BYTES, XDR_ENCODE);
        if (!xdr_entries(&xdr, &value)) return 1;
      }
    }
    operations += BATCH;
  } while (now() < end);
  printf("%.1f\n", (now() - start) / (double)operations);
  return 0;
}
