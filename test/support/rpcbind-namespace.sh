# Runs a command where a binder listens on port 111 of a loopback that belongs to nobody else. Which one is in BINDER: a
# real rpcbind, unless a command is given; "none" for none.
# A second machine is one cable away: 10.77.0.1 is here, 10.77.0.2 is in the namespace "far".
# Started inside new network, mount and process namespaces; everything in them ends with this shell.
mount -t tmpfs tmpfs /run && mkdir -p /run/rpcbind && ip link set lo up || exit 125
if [ -n "${FAR:-}" ]; then
  ip netns add far && ip link add near type veth peer name far0 netns far || exit 125
  ip address add 10.77.0.1/24 brd + dev near && ip address add fd77::1/64 dev near nodad && ip link set near up || exit 125
  ip -n far address add 10.77.0.2/24 brd + dev far0 && ip -n far address add fd77::2/64 dev far0 nodad || exit 125
  ip -n far link set far0 up && ip -n far link set lo up || exit 125
fi
[ "${BINDER:-}" = none ] && { "$@"; exit; }
${BINDER:-rpcbind -f -r} >&2 &
for _ in $(seq 300); do
  if (exec 3<>/dev/tcp/127.0.0.1/111) 2>/dev/null; then
    "$@"
    exit
  fi
  sleep 0.05
done
echo "the binder did not listen" >&2
exit 125
