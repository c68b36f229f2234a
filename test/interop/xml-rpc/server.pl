# Perl's server. Prints `READY port`.
use strict; use warnings;
use RPC::XML; use RPC::XML::Server;
$RPC::XML::ENCODING = 'utf-8';
my $server = RPC::XML::Server->new(host => '127.0.0.1', port => 0);
ref $server or die $server;
$server->add_method({ name => 'peer.add', signature => ['int int int'], help => 'Adds.', code => sub { my ($self, $x, $y) = @_; return $x + $y; } });
$server->add_method({ name => 'peer.greet', signature => ['string string'], code => sub { return RPC::XML::string->new("Hello, $_[1]"); } });
$server->add_method({ name => 'peer.echo', signature => ['struct struct', 'string string', 'array array'], code => sub { return $_[1]; } });
$server->add_method({ name => 'peer.types', signature => ['struct'], code => sub { return RPC::XML::struct->new(
  int => RPC::XML::int->new(-7), double => RPC::XML::double->new(0.5), yes => RPC::XML::boolean->new(1),
  text => RPC::XML::string->new("Gr\x{fc}\x{df}e \x{20ac}"), date => RPC::XML::datetime_iso8601->new('20260102T03:04:05'),
  bytes => RPC::XML::base64->new(pack('C*', 0, 1, 254, 255)), list => RPC::XML::array->new(map { RPC::XML::int->new($_) } 1, 2, 3)); } });
$server->add_method({ name => 'peer.fail', signature => ['int int string'], code => sub { return RPC::XML::fault->new($_[1], $_[2]); } });
$| = 1;
print 'READY ', $server->port, "\n";
$server->server_loop;
