"""Decodes documents with Python's xmlrpc: the same protocol as decode.c."""
import decimal
import json
import struct
import sys
import xmlrpc.client


def show(value):
    if value is None:
        return {"nil": True}
    if isinstance(value, bool):
        return {"boolean": value}
    if isinstance(value, int):
        return {"int": str(value)}
    if isinstance(value, float):
        return {"double": repr(value)}
    if isinstance(value, str):
        return {"string": value.encode("utf-8", "surrogatepass").hex()}
    if isinstance(value, decimal.Decimal):
        return {"string": str(value).encode().hex()}
    if isinstance(value, xmlrpc.client.DateTime):
        return {"date": value.value.encode("utf-8", "surrogatepass").hex()}
    if isinstance(value, xmlrpc.client.Binary):
        return {"base64": value.data.hex()}
    if isinstance(value, (list, tuple)):
        return {"array": [show(item) for item in value]}
    if isinstance(value, dict):
        return {"struct": [[name_of(name), show(item)] for name, item in value.items()]}
    return {"unreadable": True}


def name_of(name):
    return str(name).encode("utf-8", "surrogatepass").hex()


def decode(kind, document):
    try:
        values, method = xmlrpc.client.loads(document)
    except xmlrpc.client.Fault as fault:
        code = fault.faultCode
        if not isinstance(code, int):
            return {"error": b"a fault whose code is no number".hex()}
        return {"fault": code, "string": name_of(fault.faultString)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}".encode("utf-8", "replace").hex()}
    if kind == "c":
        if method is None:
            return {"error": b"no methodName".hex()}
        return {"method": name_of(method), "params": show(values)}
    if method is not None or len(values) != 1:
        # ServerProxy hands a single value out, and several as they are.
        return {"values": show(values)}
    return {"value": show(values[0])}


sys.setrecursionlimit(100_000)
source = sys.stdin.buffer
while True:
    head = source.read(5)
    if len(head) < 5:
        break
    length, kind = struct.unpack(">Ic", head)
    answer = decode(kind.decode(), source.read(length))
    print(json.dumps(answer), flush=True)
