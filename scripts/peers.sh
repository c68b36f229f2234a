#!/usr/bin/env bash
# Installs the real peers that the interop tests talk to. On Debian as root it installs what is missing; elsewhere it
# names what is missing. Quiet when nothing is. Exits 1 when a required peer is still missing.
set -u

# command or file that shows the package is there, and the package
required=(
  "gcc gcc"
  "/usr/include/stdio.h libc6-dev"
  "/usr/include/tirpc/rpc/rpc.h libtirpc-dev"
  "rpcgen rpcsvc-proto"
  "rpcbind rpcbind"
  "lxi lxi-tools"
  "nfs-ls libnfs-utils"
  "showmount nfs-common"
  "ganesha.nfsd nfs-ganesha"
  "/etc/ganesha/vfs.conf nfs-ganesha-vfs"
  "/usr/lib/postgresql postgresql"
  "etcd etcd-server"
  "dnsmasq dnsmasq-base"
  "ip iproute2"
  "unshare util-linux"
  "openssl openssl"
  "tshark tshark"
  "python3 python3"
  "/usr/include/xmlrpc-c/base.h libxmlrpc-core-c3-dev"
  "xmlrpc xmlrpc-api-utils"
  "perl perl"
  "/usr/share/perl5/RPC/XML.pm librpc-xml-perl"
  "ruby ruby"
  "/usr/share/doc/ruby-xmlrpc ruby-xmlrpc"
  "/usr/share/doc/ruby-webrick ruby-webrick"
  "php php-cli"
  "/usr/share/doc/php-xmlrpc php-xmlrpc"
  "supervisord supervisor"
  "rtorrent rtorrent"
  "chromium chromium"
  "wrk wrk"
)

PATH="$PATH:/usr/sbin:/sbin"

missing() {
  local entry mark package
  for entry in "$@"; do
    read -r mark package <<<"$entry"
    case $mark in
      /*) [ -e "$mark" ] || echo "$package" ;;
      *) command -v "$mark" >/dev/null 2>&1 || echo "$package" ;;
    esac
  done
}

mapfile -t absent < <(missing "${required[@]}")
[ ${#absent[@]} -eq 0 ] && exit 0

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "farcall: installing ${absent[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  for attempt in 1 2 3; do
    if { apt-get update && apt-get install -y --no-install-recommends "${absent[@]}"; } >"$log" 2>&1 </dev/null; then
      break
    fi
    [ "$attempt" = 3 ] && tail -n 20 "$log" >&2
    sleep $((attempt * 2))
  done
  rm -f "$log"
fi

mapfile -t absent < <(missing "${required[@]}")
if [ ${#absent[@]} -gt 0 ]; then
  echo "farcall: missing peers: ${absent[*]} (Debian package names). Tests that need them are skipped." >&2
  exit 1
fi
