#!/bin/sh
# Runs a command beside a containerd and an overlayer of its own, which end with it.
# usage: daemon.sh DIRECTORY DIFFER COMMAND...    with CONTAINERD_ADDRESS and OVERLAYER_ADDRESS for the command
# OVERLAYER_BACKEND: of overlayer's snapshots, if not the one that it chooses
# CONTAINERD_FETCH_BUFFER: bytes of the pieces in which containerd fetches a layer (default: 0, in one piece)
set -eu
dir=$1 differ=$2
shift 2
export CONTAINERD_ADDRESS="$dir/containerd.sock" OVERLAYER_ADDRESS="$dir/overlayer.sock"
cat >"$dir/config.toml" <<CONFIG
version = 2
root = "$dir/root"
state = "$dir/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$CONTAINERD_ADDRESS"
[proxy_plugins.overlayer]
type = "snapshot"
address = "$OVERLAYER_ADDRESS"
[proxy_plugins.overlayer-diff]
type = "diff"
address = "$OVERLAYER_ADDRESS"
[plugins."io.containerd.service.v1.diff-service"]
default = ["$differ"]
[plugins."io.containerd.transfer.v1.local"]
concurrent_layer_fetch_buffer = ${CONTAINERD_FETCH_BUFFER:-0}
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
platform = "linux/$(dpkg --print-architecture)"
snapshotter = "overlayer"
differ = "overlayer-diff"
CONFIG
node "$(dirname "$0")/../../dist/cli/main.cjs" serve --root "$dir/snapshots" --address "$OVERLAYER_ADDRESS" \
  ${OVERLAYER_BACKEND:+--backend "$OVERLAYER_BACKEND"} --containerd-address "$CONTAINERD_ADDRESS" 2>"$dir/overlayer.log" &
server=$!
containerd --config "$dir/config.toml" >"$dir/log" 2>&1 &
daemon=$!
trap 'kill $daemon $server; wait $daemon $server || true' EXIT
until [ -S "$OVERLAYER_ADDRESS" ] && ctr version >/dev/null 2>&1; do sleep 0.05; done
"$@"
# overlayer leaves its layers mounted.
grep -o " $dir/[^ ]*" /proc/self/mounts | sort -r | xargs -r umount
