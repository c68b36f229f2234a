# Ruby's client: client.rb URL. Prints what each call gave, one line each.
require "xmlrpc/client"
client = XMLRPC::Client.new2(ARGV[0])
puts "add #{client.call("peer.add", 2, 3)}"
puts "greet #{client.call("peer.greet", "Grüße € 👋")}"
sample = { "name" => "Grüße € 👋 <&>", "list" => [1, -2, [3, { "deep" => true }]], "half" => 0.5, "empty" => "" }
puts "echo #{client.call("peer.echo", sample) == sample ? "same" : "different"}"
big = "x" * 100_000
puts "big #{client.call("peer.echo", big) == big ? "same" : "different"}"
types = client.call("peer.types")
date = types["date"].to_a
puts ["types", types["int"], types["double"], types["yes"], types["text"], date.join("-"), types["bytes"].unpack1("H*"), types["list"].join(",")].join(" ")
bytes = (0..255).to_a.pack("C*")
puts "bytes #{client.call("peer.echo", XMLRPC::Base64.new(bytes)) == bytes}"
begin
  client.call("peer.fail", 4711, "no money")
rescue XMLRPC::FaultException => fault
  puts "fail #{fault.faultCode} #{fault.faultString}"
end
begin
  client.call("peer.missing")
rescue XMLRPC::FaultException => fault
  puts "missing #{fault.faultCode}"
end
puts "methods #{client.call("system.listMethods").include?("peer.add")}"
results = client.multicall(["peer.add", 1, 1], ["peer.greet", "you"], ["peer.fail", 5, "five"])
puts "multicall #{results[0]} #{results[1]} #{results[2].faultCode}"
