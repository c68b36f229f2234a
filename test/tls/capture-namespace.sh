# Runs a command on a loopback that belongs to nobody else, and writes what passes over it to FILE:
# `capture-namespace.sh FILE COMMAND...`. Started inside new network and process namespaces.
file=$1
shift
ip link set lo up || exit 125
dumpcap -q -i lo -w "$file" &
capture=$!
# The file has its header once packets are taken.
for _ in $(seq 200); do
  [ -s "$file" ] && break
  sleep 0.05
done
[ -s "$file" ] || exit 125
"$@"
code=$?
# The last packets are still on their way to the file.
sleep 0.5
kill -INT $capture
wait $capture
exit $code
