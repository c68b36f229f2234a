/* xmlrpc-c's client: client URL. Prints what each call gave, one line each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xmlrpc-c/base.h>
#include <xmlrpc-c/client.h>

static void check(xmlrpc_env *env, const char *what) {
  if (!env->fault_occurred) return;
  printf("%s %d %s\n", what, env->fault_code, env->fault_string);
  exit(1);
}

int main(int argc, char **argv) {
  const char *url = argv[1];
  xmlrpc_env env;
  xmlrpc_client *client;
  xmlrpc_env_init(&env);
  xmlrpc_client_setup_global_const(&env);
  xmlrpc_client_create(&env, XMLRPC_CLIENT_NO_FLAGS, "peer", "1", NULL, 0, &client);
  check(&env, "create");
  xmlrpc_server_info *server = xmlrpc_server_info_new(&env, url);
  xmlrpc_value *result, *params;

  params = xmlrpc_build_value(&env, "(ii)", 2, 3);
  xmlrpc_client_call2(&env, client, server, "peer.add", params, &result);
  check(&env, "add");
  xmlrpc_int32 sum;
  xmlrpc_read_int(&env, result, &sum);
  printf("add %d\n", sum);

  const char *text;
  params = xmlrpc_build_value(&env, "(s)", "Gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac");
  xmlrpc_client_call2(&env, client, server, "peer.greet", params, &result);
  check(&env, "greet");
  xmlrpc_read_string(&env, result, &text);
  printf("greet %s\n", text);

  params = xmlrpc_build_value(&env, "({s:s,s:(ii),s:d})", "name", "<&>", "list", 1, -2, "half", 0.5);
  xmlrpc_client_call2(&env, client, server, "peer.echo", params, &result);
  check(&env, "echo");
  xmlrpc_int32 one, two;
  double half;
  xmlrpc_decompose_value(&env, result, "{s:s,s:(ii),s:d,*}", "name", &text, "list", &one, &two, "half", &half);
  check(&env, "echo");
  printf("echo %s %d %d %g\n", text, one, two, half);

  params = xmlrpc_build_value(&env, "()");
  xmlrpc_client_call2(&env, client, server, "peer.types", params, &result);
  check(&env, "types");
  xmlrpc_bool yes;
  const char *date;
  const unsigned char *bytes;
  size_t size;
  xmlrpc_int32 list[3];
  xmlrpc_decompose_value(&env, result, "{s:i,s:d,s:b,s:s,s:8,s:6,s:(iii),*}", "int", &one, "double", &half, "yes", &yes, "text",
                         &text, "date", &date, "bytes", &bytes, &size, "list", &list[0], &list[1], &list[2]);
  check(&env, "types");
  printf("types %d %g %d %s %s ", one, half, yes, text, date);
  for (size_t i = 0; i < size; i++) printf("%02x", bytes[i]);
  printf(" %d,%d,%d\n", list[0], list[1], list[2]);

  params = xmlrpc_build_value(&env, "(is)", 4711, "no money");
  xmlrpc_client_call2(&env, client, server, "peer.fail", params, &result);
  printf("fail %d %s\n", env.fault_code, env.fault_string);
  xmlrpc_env_clean(&env);
  xmlrpc_env_init(&env);

  params = xmlrpc_build_value(&env, "()");
  xmlrpc_client_call2(&env, client, server, "peer.missing", params, &result);
  printf("missing %d\n", env.fault_code);
  return 0;
}
