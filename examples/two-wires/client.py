# Calls the calculator and the file service by XML-RPC: client.py URL WRITE-NAME TEXT READ-NAME
import sys
import xmlrpc.client

url, write_name, text, read_name = sys.argv[1:]
server = xmlrpc.client.ServerProxy(url)

print("1 + 2 =", server.calc.add({"a": 1, "b": 2}))
for a, b in (7, 2), (7, 0):
    division = server.calc.divide({"a": a, "b": b})
    if division["status"] == "DIVISION_OK":
        print(a, "/", b, "=", division["value"]["quotient"], "remainder", division["value"]["remainder"])
    else:
        print(a, "/", b, "is not possible")
print("the mean of 1, 2.5 and 4 is", server.calc.average([1, 2.5, 4]))

# An opaque is base64, an enum a name, and a hyper what Python has for a number.
written = server.files.write(write_name, 0, xmlrpc.client.Binary(text.encode()))
print(write_name, written["status"], "up to", written["position"])
read = server.files.read(read_name, 0, 100)
print(read_name, read["status"], read["data"].data.decode() if "data" in read else "")

try:
    server.calc.add({"a": 1, "b": "two"})
except xmlrpc.client.Fault as fault:
    print("refused:", fault.faultString)
