# Ruby's server. Prints `READY port`.
require "xmlrpc/server"
require "webrick"
servlet = XMLRPC::WEBrickServlet.new
servlet.add_handler("peer.add", %w[int int int], "Adds.") { |a, b| a + b }
servlet.add_handler("peer.greet") { |name| "Hello, #{name}" }
servlet.add_handler("peer.echo") { |value| value }
servlet.add_handler("peer.types") do
  { "int" => -7, "double" => 0.5, "yes" => true, "text" => "Grüße €", "date" => XMLRPC::DateTime.new(2026, 1, 2, 3, 4, 5),
    "bytes" => XMLRPC::Base64.new([0, 1, 254, 255].pack("C*")), "list" => [1, 2, 3] }
end
servlet.add_handler("peer.fail") { |code, text| raise XMLRPC::FaultException.new(code, text) }
servlet.add_introspection
servlet.add_multicall
servlet.set_default_handler { |name, *| raise XMLRPC::FaultException.new(-99, "Method #{name} missing or wrong number of parameters!") }
server = WEBrick::HTTPServer.new(Port: 0, BindAddress: "127.0.0.1", Logger: WEBrick::Log.new(File::NULL), AccessLog: [])
server.mount("/RPC2", servlet)
$stdout.sync = true
puts "READY #{server.listeners[0].addr[1]}"
server.start
