#!/bin/sh
# Gets an image with a containerd of its own, that ends with it.
# usage: containerd.sh DIRECTORY import|pull OPTION... IMAGE
# CONTAINERD_DIFFER: what unpacks the layers (default: walking)
# CONTAINERD_FETCH_BUFFER: bytes of the pieces in which it fetches a layer (default: 0, in one piece)
set -eu
dir=$1
shift
cat >"$dir/config.toml" <<CONFIG
version = 2
root = "$dir/root"
state = "$dir/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$dir/socket"
[ttrpc]
address = "$dir/ttrpc"
[plugins."io.containerd.service.v1.diff-service"]
default = ["${CONTAINERD_DIFFER:-walking}"]
[plugins."io.containerd.transfer.v1.local"]
concurrent_layer_fetch_buffer = ${CONTAINERD_FETCH_BUFFER:-0}
[plugins."io.containerd.differ.v1.erofs"]
mkfs_options = ["-T0", "--mkfs-time", "--sort=none"]
CONFIG
containerd --config "$dir/config.toml" >"$dir/log" 2>&1 &
daemon=$!
trap 'kill $daemon; wait $daemon || true' EXIT
until ctr --address "$dir/socket" version >/dev/null 2>&1; do sleep 0.05; done
ctr --address "$dir/socket" images "$@" >/dev/null
sync -f "$dir"
# The erofs snapshotter leaves its layers mounted.
grep -o " $dir/[^ ]*" /proc/self/mounts | sort -r | xargs -r umount
