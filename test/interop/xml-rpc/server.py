# Python's server: server.py [keep] [bare] [none] [flat]. Prints `READY port`.
import datetime, sys, xmlrpc.client
from socketserver import ThreadingMixIn
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer


class Peer:
    def add(self, a, b):
        """Adds."""
        return a + b

    def greet(self, name):
        return "Hello, " + name

    def echo(self, value):
        return value

    def types(self):
        return {"int": -7, "double": 0.5, "yes": True, "text": "Grüße €", "date": datetime.datetime(2026, 1, 2, 3, 4, 5),
                "bytes": b"\x00\x01\xfe\xff", "list": [1, 2, 3]}

    def fail(self, code, text):
        raise xmlrpc.client.Fault(code, text)

    def crash(self):
        raise ValueError("oops")


class Handler(SimpleXMLRPCRequestHandler):
    # With HTTP/1.1 the connection is kept.
    protocol_version = "HTTP/1.1" if "keep" in sys.argv else "HTTP/1.0"


class Server(ThreadingMixIn, SimpleXMLRPCServer):
    daemon_threads = True


class Root:
    peer = Peer()


server = Server(("127.0.0.1", 0), requestHandler=Handler, logRequests=False, use_builtin_types=True, allow_none="none" in sys.argv)
if "bare" not in sys.argv:
    server.register_introspection_functions()
    server.register_multicall_functions()
server.register_instance(Root(), allow_dotted_names=True)
# As most programs do: only such methods does its system.listMethods name.
if "flat" in sys.argv:
    for name in ("add", "greet", "echo"):
        server.register_function(getattr(Root.peer, name), name)
print("READY", server.server_address[1], flush=True)
server.serve_forever()
