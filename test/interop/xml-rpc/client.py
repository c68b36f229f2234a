# Python's client: client.py URL. Prints what each call gave, one line each.
import datetime, sys, xmlrpc.client

sample = {"name": "Grüße € 👋 <&>", "list": [1, -2, [3, {"deep": True}]], "half": 0.5, "empty": "", "__proto__": "data"}
big = "x" * 100000

with xmlrpc.client.ServerProxy(sys.argv[1], use_builtin_types=True) as server:
    print("add", server.peer.add(2, 3))
    print("greet", server.peer.greet("Grüße € 👋"))
    print("echo", "same" if server.peer.echo(sample) == sample else "different")
    print("big", "same" if server.peer.echo(big) == big else "different")
    types = server.peer.types()
    assert isinstance(types["yes"], bool) and isinstance(types["double"], float)
    print("types", types["int"], types["double"], types["yes"], types["text"], types["date"].strftime("%Y%m%dT%H:%M:%S"),
          types["bytes"].hex(), types["list"])
    print("bytes", server.peer.echo(bytes(range(256))) == bytes(range(256)))
    when = datetime.datetime(2026, 1, 2, 3, 4, 5)
    print("date", server.peer.echo(when) == when)
    try:
        server.peer.fail(4711, "no money")
    except xmlrpc.client.Fault as fault:
        print("fail", fault.faultCode, fault.faultString)
    try:
        server.peer.missing()
    except xmlrpc.client.Fault as fault:
        print("missing", fault.faultCode)
    print("methods", "peer.add" in server.system.listMethods(), server.system.methodSignature("peer.add"), server.system.methodHelp("peer.add"))
    multi = xmlrpc.client.MultiCall(server)
    multi.peer.add(1, 1)
    multi.peer.greet("you")
    multi.peer.fail(5, "five")
    results = multi()
    print("multicall", results[0], results[1])
    try:
        results[2]
    except xmlrpc.client.Fault as fault:
        print("multicall fault", fault.faultCode, fault.faultString)
