/*
 * What libtirpc makes of XDR values.
 *
 *   xdr            prints every vector: NAME, tab, its bytes in hexadecimal (quadruple: tab, the bytes of it as a double)
 *   xdr FILE       reads lines TYPE, space, HEX; decodes, encodes what it got, and prints the bytes, or "fail"
 */
#include "xdr.h"
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char bytes[1 << 20];

static void hex(const void *from, size_t count) {
  for (size_t i = 0; i < count; i++) printf("%02x", ((const unsigned char *)from)[i]);
}

static void show(const char *name, xdrproc_t proc, void *value) {
  XDR xdrs;
  xdrmem_create(&xdrs, bytes, sizeof bytes, XDR_ENCODE);
  if (!proc(&xdrs, value)) {
    fprintf(stderr, "cannot encode %s\n", name);
    exit(1);
  }
  printf("%s\t", name);
  hex(bytes, xdr_getpos(&xdrs));
  printf("\n");
}

#define VECTOR(name, type, proc, ...) do { type value = __VA_ARGS__; show(name, (xdrproc_t)proc, &value); } while (0)
#define BYTES(type, text) { .type##_len = sizeof(text) - 1, .type##_val = (char *)text }

/* libtirpc has no quadruple; gcc's is IEEE's, and the network's order is the other one. */
static void quad(const char *name, __float128 value) {
  unsigned char from[16], to[16], d[8];
  double narrow = (double)value;
  memcpy(from, &value, 16);
  for (int i = 0; i < 16; i++) to[i] = from[15 - i];
  printf("%s\t", name);
  hex(to, 16);
  memcpy(from, &narrow, 8);
  for (int i = 0; i < 8; i++) d[i] = from[7 - i];
  printf("\t");
  hex(d, 8);
  printf("\n");
}

static __float128 two(int power) {
  __float128 value = 1;
  for (; power > 0; power--) value *= 2;
  for (; power < 0; power++) value /= 2;
  return value;
}

static void vectors(void) {
  VECTOR("int 0", int, xdr_int, 0);
  VECTOR("int 5", int, xdr_int, 5);
  VECTOR("int -1", int, xdr_int, -1);
  VECTOR("int max", int, xdr_int, INT_MAX);
  VECTOR("int min", int, xdr_int, INT_MIN);
  VECTOR("uint 0", u_int, xdr_u_int, 0);
  VECTOR("uint 2^31", u_int, xdr_u_int, 0x80000000u);
  VECTOR("uint max", u_int, xdr_u_int, UINT_MAX);
  VECTOR("char min", char, xdr_char, -128);
  VECTOR("char max", char, xdr_char, 127);
  VECTOR("uchar max", u_char, xdr_u_char, 255);
  VECTOR("short min", short, xdr_short, -32768);
  VECTOR("short max", short, xdr_short, 32767);
  VECTOR("ushort max", u_short, xdr_u_short, 65535);
  VECTOR("hyper 0", quad_t, xdr_hyper, 0);
  VECTOR("hyper -1", quad_t, xdr_hyper, -1);
  VECTOR("hyper 2^53+1", quad_t, xdr_hyper, 9007199254740993LL);
  VECTOR("hyper words", quad_t, xdr_hyper, 0x0123456789abcdefLL);
  VECTOR("hyper max", quad_t, xdr_hyper, LLONG_MAX);
  VECTOR("hyper min", quad_t, xdr_hyper, LLONG_MIN);
  VECTOR("uhyper max", u_quad_t, xdr_u_hyper, ULLONG_MAX);
  VECTOR("uhyper 2^63", u_quad_t, xdr_u_hyper, 0x8000000000000000ULL);
  VECTOR("bool true", bool_t, xdr_bool, 1);
  VECTOR("bool false", bool_t, xdr_bool, 0);
  VECTOR("enum RED", color, xdr_color, RED);
  VECTOR("enum BLUE", color, xdr_color, BLUE);

  VECTOR("float 0", float, xdr_float, 0.0f);
  VECTOR("float -0", float, xdr_float, -0.0f);
  VECTOR("float 1", float, xdr_float, 1.0f);
  VECTOR("float 0.1", float, xdr_float, 0.1f);
  VECTOR("float -2.5", float, xdr_float, -2.5f);
  VECTOR("float max", float, xdr_float, FLT_MAX);
  VECTOR("float min normal", float, xdr_float, FLT_MIN);
  VECTOR("float least", float, xdr_float, FLT_TRUE_MIN);
  VECTOR("float infinity", float, xdr_float, INFINITY);
  VECTOR("float -infinity", float, xdr_float, -INFINITY);
  VECTOR("float NaN", float, xdr_float, NAN);
  VECTOR("double 0", double, xdr_double, 0.0);
  VECTOR("double -0", double, xdr_double, -0.0);
  VECTOR("double 1", double, xdr_double, 1.0);
  VECTOR("double 0.1", double, xdr_double, 0.1);
  VECTOR("double -1e300", double, xdr_double, -1e300);
  VECTOR("double max", double, xdr_double, DBL_MAX);
  VECTOR("double least", double, xdr_double, DBL_TRUE_MIN);
  VECTOR("double infinity", double, xdr_double, INFINITY);
  VECTOR("double -infinity", double, xdr_double, -INFINITY);
  VECTOR("double NaN", double, xdr_double, NAN);

  quad("quadruple 0", 0.0Q);
  quad("quadruple -0", -0.0Q);
  quad("quadruple 1", 1.0Q);
  quad("quadruple -2.5", -2.5Q);
  quad("quadruple 0.1 of double", 0.1);
  quad("quadruple 0.1", 0.1Q);
  quad("quadruple 1/3", 1.0Q / 3);
  quad("quadruple 1e300", 1e300Q);
  quad("quadruple 1e4000", 1e4000Q);
  quad("quadruple -1e-4000", -1e-4000Q);
  quad("quadruple infinity", INFINITY);
  quad("quadruple -infinity", -INFINITY);
  quad("quadruple NaN", NAN);
  quad("quadruple max of double", DBL_MAX);
  quad("quadruple least of double", DBL_TRUE_MIN);
  /* Half way between two doubles, a little less, a little more: to the even one, down, up. */
  quad("quadruple half to even down", 1 + two(-53));
  quad("quadruple half to even up", 1 + two(-52) + two(-53));
  quad("quadruple below half", 1 + two(-53) - two(-112));
  quad("quadruple above half", 1 + two(-53) + two(-112));
  quad("quadruple rounds up to a power", 2 - two(-60));
  quad("quadruple rounds up to infinity", two(1023) * (2 - two(-53)));
  quad("quadruple stays finite", two(1023) * (2 - two(-53) - two(-110)));
  quad("quadruple subnormal half", two(-1074) + two(-1075));
  quad("quadruple subnormal below half", two(-1075));
  quad("quadruple subnormal above half", two(-1075) + two(-1180));
  quad("quadruple into subnormals", two(-1030) / 3);
  quad("quadruple rounds up to normal", two(-1022) - two(-1080));

  VECTOR("opaque fixed 5", five, xdr_five, { 1, 2, 3, 4, 5 });
  VECTOR("opaque 0", data, xdr_data, BYTES(data, ""));
  VECTOR("opaque 1", data, xdr_data, BYTES(data, "\xff"));
  VECTOR("opaque 2", data, xdr_data, BYTES(data, "\xff\x00"));
  VECTOR("opaque 3", data, xdr_data, BYTES(data, "\x00\x01\x02"));
  VECTOR("opaque 4", data, xdr_data, BYTES(data, "\x00\x01\x02\x03"));
  VECTOR("string empty", text, xdr_text, "");
  VECTOR("string a", text, xdr_text, "a");
  VECTOR("string abcd", text, xdr_text, "abcd");
  VECTOR("string sillyprog", text, xdr_text, "sillyprog");
  VECTOR("string two bytes", text, xdr_text, "h\xc3\xa9llo");
  VECTOR("string four bytes", text, xdr_text, "\xf0\x9f\x98\x80");
  VECTOR("string byte order mark", text, xdr_text, "\xef\xbb\xbfmark");
  VECTOR("string long", text, xdr_text,
         "0123456789012345678901234567890123456789012345678901234567890123456789\xe2\x82\xac");

  VECTOR("array fixed 3", triple, xdr_triple, { 1, -2, 3 });
  VECTOR("array 0", ints, xdr_ints, { 0, NULL });
  VECTOR("array 2", ints, xdr_ints, { 2, (int[]){ 7, -8 } });
  VECTOR("array of strings", texts, xdr_texts, { 3, (text[]){ "", "abc", "abcde" } });
  VECTOR("struct pair", pair, xdr_pair, { 1, -1 });
  VECTOR("array of structs", items, xdr_items,
         { 2, (item[]){ { 1, "some-name-here", 1.5, 1234567890123LL }, { -2, "x", -0.0, -5 } } });

  VECTOR("union int 0", by_int, xdr_by_int, { .status = 0, .by_int_u.body = BYTES(data, "\x09") });
  VECTOR("union int 1", by_int, xdr_by_int, { .status = 1, .by_int_u.why = "one" });
  VECTOR("union int 2", by_int, xdr_by_int, { .status = 2, .by_int_u.why = "two" });
  VECTOR("union int default", by_int, xdr_by_int, { .status = -3, .by_int_u.code = -4 });
  VECTOR("union enum RED", by_enum, xdr_by_enum, { .paint = RED, .by_enum_u.shade = 6 });
  VECTOR("union enum void", by_enum, xdr_by_enum, { .paint = BLUE });
  VECTOR("union enum default", by_enum, xdr_by_enum, { .paint = GREEN, .by_enum_u.faded = 1 });
  VECTOR("union bool true", by_bool, xdr_by_bool, { .known = 1, .by_bool_u.at = { 3, 4 } });
  VECTOR("union bool false", by_bool, xdr_by_bool, { .known = 0 });

  node last = { 3, NULL }, middle = { 2, &last };
  VECTOR("list of 1", node, xdr_node, { 9, NULL });
  VECTOR("list of 3", node, xdr_node, { 1, &middle });
  tree leaf = { 7, NULL, NULL }, left = { 8, NULL, &leaf };
  VECTOR("tree", tree, xdr_tree, { 1, &left, &leaf });
}

#define TYPE(type, proc) { #type, (xdrproc_t)proc, sizeof(type) }
static const struct { const char *name; xdrproc_t proc; size_t size; } types[] = {
  TYPE(items, xdr_items), TYPE(by_int, xdr_by_int), TYPE(by_enum, xdr_by_enum), TYPE(by_bool, xdr_by_bool),
  TYPE(tree, xdr_tree), TYPE(texts, xdr_texts), TYPE(data, xdr_data), TYPE(float, xdr_float), TYPE(double, xdr_double),
};

static void again(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) exit(2);
  static char line[1 << 20], name[64], digits[1 << 20];
  while (fgets(line, sizeof line, file) != NULL) {
    digits[0] = 0;
    sscanf(line, "%63s %1048000s", name, digits);
    size_t length = strlen(digits) / 2;
    for (size_t i = 0; i < length; i++) {
      unsigned byte;
      sscanf(digits + 2 * i, "%2x", &byte);
      bytes[i] = (char)byte;
    }
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
      if (strcmp(types[i].name, name) != 0) continue;
      void *value = calloc(1, types[i].size);
      XDR xdrs;
      xdrmem_create(&xdrs, bytes, length, XDR_DECODE);
      if (!types[i].proc(&xdrs, value) || xdr_getpos(&xdrs) != length) {
        printf("fail\n");
        break;
      }
      xdrmem_create(&xdrs, bytes, sizeof bytes, XDR_ENCODE);
      types[i].proc(&xdrs, value);
      hex(bytes, xdr_getpos(&xdrs));
      printf("\n");
      xdr_free(types[i].proc, value);
      free(value);
    }
  }
}

int main(int argc, char **argv) {
  if (argc > 1) again(argv[1]);
  else vectors();
  return 0;
}
