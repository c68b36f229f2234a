/* xmlrpc-c's server, over its Abyss. Prints `READY port`. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xmlrpc-c/base.h>
#include <xmlrpc-c/server.h>
#include <xmlrpc-c/abyss.h>
#include <xmlrpc-c/server_abyss.h>

static xmlrpc_value *add(xmlrpc_env *env, xmlrpc_value *params, void *info, void *channel) {
  xmlrpc_int32 a, b;
  xmlrpc_decompose_value(env, params, "(ii)", &a, &b);
  return env->fault_occurred ? NULL : xmlrpc_build_value(env, "i", a + b);
}

static xmlrpc_value *greet(xmlrpc_env *env, xmlrpc_value *params, void *info, void *channel) {
  const char *name;
  char text[1024];
  xmlrpc_decompose_value(env, params, "(s)", &name);
  if (env->fault_occurred) return NULL;
  snprintf(text, sizeof text, "Hello, %s", name);
  free((void *)name);
  return xmlrpc_build_value(env, "s", text);
}

static xmlrpc_value *echo(xmlrpc_env *env, xmlrpc_value *params, void *info, void *channel) {
  xmlrpc_value *value;
  xmlrpc_array_read_item(env, params, 0, &value);
  return env->fault_occurred ? NULL : value;
}

static xmlrpc_value *types(xmlrpc_env *env, xmlrpc_value *params, void *info, void *channel) {
  static const unsigned char bytes[] = {0, 1, 254, 255};
  return xmlrpc_build_value(env, "{s:i,s:d,s:b,s:s,s:8,s:6,s:(iii)}", "int", -7, "double", 0.5, "yes", 1, "text",
                            "Gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac", "date", "20260102T03:04:05", "bytes", bytes, sizeof bytes,
                            "list", 1, 2, 3);
}

static xmlrpc_value *fail(xmlrpc_env *env, xmlrpc_value *params, void *info, void *channel) {
  xmlrpc_int32 code;
  const char *text;
  xmlrpc_decompose_value(env, params, "(is)", &code, &text);
  if (!env->fault_occurred) xmlrpc_env_set_fault(env, code, text);
  return NULL;
}

int main(void) {
  xmlrpc_env env;
  xmlrpc_env_init(&env);
  xmlrpc_registry *registry = xmlrpc_registry_new(&env);
  const struct xmlrpc_method_info3 methods[] = {
      {"peer.add", add, NULL, 0, "i:ii", "Adds."},   {"peer.greet", greet, NULL, 0, "s:s", ""},
      {"peer.echo", echo, NULL, 0, "?", ""},         {"peer.types", types, NULL, 0, "S:", ""},
      {"peer.fail", fail, NULL, 0, "i:is", ""},
  };
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) xmlrpc_registry_add_method3(&env, registry, &methods[i]);

  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 128) != 0) return 1;
  getsockname(fd, (struct sockaddr *)&address, &length);

  xmlrpc_server_abyss_parms parms = {.registryP = registry, .socket_bound = 1, .socket_handle = fd, .keepalive_timeout = 30,
                                     .keepalive_max_conn = 1000000, .uri_path = "/RPC2", .max_conn = 64};
  printf("READY %d\n", ntohs(address.sin_port));
  fflush(stdout);
  xmlrpc_server_abyss(&env, &parms, XMLRPC_APSIZE(max_conn));
  fprintf(stderr, "%s\n", env.fault_string ? env.fault_string : "");
  return 1;
}
