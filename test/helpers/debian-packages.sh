#!/bin/sh
# Gets packages of another Debian release by apt and extracts them, without installing them.
# usage: debian-packages.sh RELEASE DIRECTORY PACKAGE...
#        debian-packages.sh --complete RELEASE DIRECTORY PACKAGE...
# With --complete, all packages that they depend on are extracted too, and DIRECTORY/bin has a script for each program
# that runs it with these libraries: the C library of this system may be too old for it.
set -eu
complete=
if [ "$1" = --complete ]; then
  complete=1
  shift
fi
release=$1
directory=$2
shift 2
[ -e "$directory" ] && exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# Where this system's own packages come from.
mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | head -n 1)
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $release main" >sources
mkdir -p lists/partial cache/archives/partial unpacked
touch status
apt() {
  apt-get --quiet=2 -o Dir::Etc::sourcelist="$work/sources" -o Dir::Etc::sourceparts=- -o Dir::Cache="$work/cache" \
    -o Dir::State::lists="$work/lists" -o Dir::State::status="$work/status" -o APT::Sandbox::User=root "$@"
}
apt update
if [ -n "$complete" ]; then
  apt install --download-only --no-install-recommends --yes -o Debug::NoLocking=true "$@" >/dev/null
  mv cache/archives/*.deb .
else
  apt download "$@"
fi
# Newer releases have /lib and /lib64 as symlinks to /usr, but some packages still name them.
[ -z "$complete" ] || { mkdir -p unpacked/usr/lib unpacked/usr/lib64 && ln -s usr/lib usr/lib64 unpacked; }
for package in *.deb; do dpkg-deb --fsys-tarfile "$package" | tar --extract --keep-directory-symlink -C unpacked; done
mkdir -p "$(dirname "$directory")"
rm -rf "$directory.new"
cp -r unpacked "$directory.new"
if [ -n "$complete" ]; then
  mkdir "$directory.new/bin"
  triplet=$(basename "$(dirname "$(ls "$directory".new/usr/lib/*/libc.so.6)")")
  loader=$(ls -d "$directory".new/usr/lib*/ld-linux*.so.* | head -n 1)
  loader=$directory${loader#"$directory.new"}
  for program in "$directory".new/usr/bin/* "$directory".new/usr/sbin/*; do
    [ -x "$program" ] || continue
    name=$(basename "$program")
    printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$loader" "$directory/usr/lib/$triplet" \
      "$directory${program#"$directory.new"}" >"$directory.new/bin/$name"
    chmod +x "$directory.new/bin/$name"
  done
fi
mv "$directory.new" "$directory"
