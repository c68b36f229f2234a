<?php
// PHP's client: client.php URL. Prints what each call gave, one line each.
function call(string $method, array $params = []) {
  $request = xmlrpc_encode_request($method, $params, ['encoding' => 'UTF-8', 'escaping' => ['markup']]);
  $context = stream_context_create(['http' => ['method' => 'POST', 'header' => "Content-Type: text/xml\r\n", 'content' => $request, 'ignore_errors' => true]]);
  return xmlrpc_decode(file_get_contents($GLOBALS['argv'][1], false, $context), 'UTF-8');
}
echo 'add ', call('peer.add', [2, 3]), "\n";
echo 'greet ', call('peer.greet', ['Grüße € 👋']), "\n";
$sample = ['name' => 'Grüße € <&>', 'list' => [1, -2, [3, ['deep' => true]]], 'half' => 0.5, 'empty' => ''];
echo 'echo ', call('peer.echo', [$sample]) == $sample ? 'same' : 'different', "\n";
$big = str_repeat('x', 100000);
echo 'big ', call('peer.echo', [$big]) === $big ? 'same' : 'different', "\n";
$types = call('peer.types');
echo implode(' ', ['types', $types['int'], $types['double'], var_export($types['yes'], true), $types['text'], $types['date']->scalar, bin2hex($types['bytes']->scalar), implode(',', $types['list'])]), "\n";
$bytes = implode('', array_map('chr', range(0, 255)));
$value = $bytes;
xmlrpc_set_type($value, 'base64');
echo 'bytes ', call('peer.echo', [$value])->scalar === $bytes ? 'same' : 'different', "\n";
$fault = call('peer.fail', [4711, 'no money']);
echo 'fail ', xmlrpc_is_fault($fault) ? "{$fault['faultCode']} {$fault['faultString']}" : 'none', "\n";
echo 'missing ', call('peer.missing')['faultCode'], "\n";
echo 'methods ', in_array('peer.add', call('system.listMethods')) ? 'yes' : 'no', "\n";
