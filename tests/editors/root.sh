#!/usr/bin/env bash
# A folder that holds another Debian, for editors that this one does not have:
#
#     tests/editors/root.sh SUITE FOLDER PACKAGE...
#     tests/editors/root.sh trixie target/roots/trixie gimp xdotool openbox
#
# Does nothing if FOLDER is a root of SUITE that has all the packages, adds those that are missing if it is a root that
# lacks some, and builds it otherwise (some minutes, some hundred MB). Nothing in it is started; `chroot FOLDER` runs it.
# UNDERPAINT_DEBIAN_MIRROR names another mirror than Debian's own.
# Exit codes: 0 the root is there, 77 it cannot be made here (the reason is printed as "skipped: …"), 1 making it failed.
set -euo pipefail

[ $# -ge 3 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
suite=$1 root=$2
shift 2
mirror=${UNDERPAINT_DEBIAN_MIRROR:-}

skip() { echo "skipped: $1"; exit 77; }

[ "$(id -u)" = 0 ] || skip "another Debian can only be built and entered as root"

# Two runs at once would build it twice.
mkdir -p "$(dirname "$root")"
exec 9>"$root.lock"
flock 9

has() { grep -qx "$1" "$root/.suite" 2>/dev/null; }
missing() {
  for package in "$@"; do
    [ -e "$root/var/lib/dpkg/info/$package.list" ] || compgen -G "$root/var/lib/dpkg/info/$package:*.list" >/dev/null || echo "$package"
  done
}

if has "$suite"; then
  wanted=$(missing "$@")
  [ -n "$wanted" ] || exit 0
  echo "root: adding $(echo $wanted) to $root" >&2
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  # shellcheck disable=SC2086
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh -ec '
    apt-get -qq -o Acquire::Check-Valid-Until=false update
    apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "$@" >/dev/null
    apt-get clean' sh $wanted >&2
  exit 0
fi

command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed (Debian package mmdebstrap)"
free_kb=$(df -Pk "$(dirname "$root")" | awk 'NR == 2 { print $4 }')
[ "$free_kb" -gt 2500000 ] || skip "a root of $suite needs 2.5 GB of free disk beside $root"

echo "root: building $suite in $root" >&2
rm -rf --one-file-system "$root"
# Manuals and translations are left out; editors are driven in English. Debian testing's Release file may be out of date.
mmdebstrap --quiet --variant=minbase --mode=root --dpkgopt=force-unsafe-io \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' --include="$(IFS=,; echo "$*")" "$suite" "$root" ${mirror:+"$mirror"} >&2 ||
  skip "$suite could not be fetched; what went wrong stands above"
for inside in proc sys dev; do  # left behind when somebody looked into it meanwhile; nothing outside may hang on it
  ! mountpoint -q "$root/$inside" || umount -l "$root/$inside"
done
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
echo "$suite" >"$root/.suite"
