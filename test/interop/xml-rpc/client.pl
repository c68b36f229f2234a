# Perl's client: client.pl URL. Prints what each call gave, one line each.
use strict; use warnings; use utf8;
use RPC::XML; use RPC::XML::Client;
binmode STDOUT, ':utf8';
$RPC::XML::ENCODING = 'utf-8';
my $client = RPC::XML::Client->new($ARGV[0]);
sub call { my $answer = $client->send_request(@_); ref $answer or die "no answer: $answer"; return $answer; }
print 'add ', call('peer.add', 2, 3)->value, "\n";
print 'greet ', call('peer.greet', RPC::XML::string->new("Gr\x{fc}\x{df}e \x{20ac}"))->value, "\n";
my $types = call('peer.types')->value;
print join(' ', 'types', $types->{int}, $types->{double}, $types->{yes}, $types->{text}, $types->{date}, unpack('H*', $types->{bytes}), join(',', @{$types->{list}})), "\n";
my $echo = call('peer.echo', { list => [1, -2, [3]], half => RPC::XML::double->new(0.5), flag => RPC::XML::boolean->new(1) })->value;
print join(' ', 'echo', $echo->{list}[0], $echo->{list}[1], $echo->{list}[2][0], $echo->{half}, $echo->{flag}), "\n";
my $big = 'x' x 100000;
print 'big ', (call('peer.echo', $big)->value eq $big ? 'same' : 'different'), "\n";
print 'bytes ', unpack('H*', call('peer.echo', RPC::XML::base64->new(pack('C*', 0, 1, 254, 255)))->value), "\n";
my $fault = call('peer.fail', 4711, 'no money');
print 'fail ', $fault->is_fault ? join(' ', $fault->code, $fault->string) : 'none', "\n";
my $missing = call('peer.missing');
print 'missing ', $missing->is_fault ? $missing->code : 'none', "\n";
print 'methods ', (grep { $_ eq 'peer.add' } @{call('system.listMethods')->value}) ? 'yes' : 'no', "\n";
