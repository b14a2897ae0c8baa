#!/bin/sh
# Gets the containerd of another Debian release by apt, without installing it.
# usage: newer-containerd.sh RELEASE DIRECTORY
set -eu
[ -e "$2" ] && exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# Where this system's own packages come from.
mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | head -n 1)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $1 main" >sources
mkdir -p lists/partial cache/archives/partial
touch status
apt() {
  apt-get --quiet=2 -o Dir::Etc::sourcelist="$work/sources" -o Dir::Etc::sourceparts=- -o Dir::Cache="$work/cache" \
    -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" -o APT::Sandbox::User=root "$@"
}
apt update
apt download containerd
dpkg-deb --extract containerd_*.deb unpacked
mkdir -p "$(dirname "$2")"
rm -rf "$2.new"
cp -r unpacked "$2.new"
mv "$2.new" "$2"
