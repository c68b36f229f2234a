# Runs a command on one machine of a network of two, as far as the kernel can tell: 10.77.0.1 is here, 10.77.0.2 is in
# the namespace "far", and the cable between them is a pair of virtual devices, "near" and "far0".
# Started inside new network, mount and process namespaces; everything in them ends with this shell.
mount -t tmpfs tmpfs /run && ip netns add far || exit 125
ip link add near type veth peer name far0 netns far || exit 125
ip address add 10.77.0.1/24 dev near && ip link set near up && ip link set lo up || exit 125
ip -n far address add 10.77.0.2/24 dev far0 && ip -n far link set far0 up && ip -n far link set lo up || exit 125
"$@"
