"""Python's codec of one answer: `python.py decode|encode MS FILE` prints the milliseconds that one takes."""
import sys
import time
import xmlrpc.client

direction, ms, path = sys.argv[1:]
with open(path, "rb") as file:
    document = file.read()
value = xmlrpc.client.loads(document)[0]
operations = 0
start = time.perf_counter()
while True:
    if direction == "decode":
        xmlrpc.client.loads(document)
    else:
        xmlrpc.client.dumps(value, methodresponse=True)
    operations += 1
    passed = (time.perf_counter() - start) * 1000
    if passed >= float(ms):
        break
print(passed / operations)
