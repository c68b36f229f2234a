<?php
// PHP's server, run by `php -S`: one request.
$server = xmlrpc_server_create();
xmlrpc_server_register_method($server, 'peer.add', fn($method, $params) => $params[0] + $params[1]);
xmlrpc_server_register_method($server, 'peer.greet', fn($method, $params) => "Hello, {$params[0]}");
xmlrpc_server_register_method($server, 'peer.echo', fn($method, $params) => $params[0]);
xmlrpc_server_register_method($server, 'peer.types', function () {
  $date = '20260102T03:04:05';
  xmlrpc_set_type($date, 'datetime');
  $bytes = "\x00\x01\xfe\xff";
  xmlrpc_set_type($bytes, 'base64');
  return ['int' => -7, 'double' => 0.5, 'yes' => true, 'text' => 'Grüße €', 'date' => $date, 'bytes' => $bytes, 'list' => [1, 2, 3]];
});
xmlrpc_server_register_method($server, 'peer.fail', fn($method, $params) => ['faultCode' => $params[0], 'faultString' => $params[1]]);
header('Content-Type: text/xml');
echo xmlrpc_server_call_method($server, file_get_contents('php://input'), null, ['encoding' => 'UTF-8', 'escaping' => ['markup'], 'version' => 'xmlrpc']);
