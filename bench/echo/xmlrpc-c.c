/* xmlrpc-c's server over its own Abyss, with a thread for each connection. Prints `READY port`. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include <xmlrpc-c/base.h>
#include <xmlrpc-c/server.h>
#include <xmlrpc-c/abyss.h>
#include <xmlrpc-c/server_abyss.h>

static xmlrpc_value *echo(xmlrpc_env *env, xmlrpc_value *params, void *info, void *channel) {
  xmlrpc_value *value;
  (void)info, (void)channel;
  xmlrpc_array_read_item(env, params, 0, &value);
  return env->fault_occurred ? NULL : value;
}

int main(void) {
  const struct xmlrpc_method_info3 method = {"echo", echo, NULL, 0, "s:s", ""};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  xmlrpc_env env;
  xmlrpc_registry *registry;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 128) != 0) return 1;
  getsockname(fd, (struct sockaddr *)&address, &length);
  xmlrpc_env_init(&env);
  registry = xmlrpc_registry_new(&env);
  xmlrpc_registry_add_method3(&env, registry, &method);
  /* Left at its default, a connection ends after 30 calls. */
  xmlrpc_server_abyss_parms parms = {.registryP = registry, .socket_bound = 1, .socket_handle = fd, .keepalive_timeout = 60,
                                     .keepalive_max_conn = 1000000000, .uri_path = "/RPC2", .max_conn = 64};
  printf("READY %d\n", ntohs(address.sin_port));
  fflush(stdout);
  xmlrpc_server_abyss(&env, &parms, XMLRPC_APSIZE(max_conn));
  return 1;
}
