#!/bin/bash
# Installs the amd64 package in a bare Debian without a network and without a compiler, asks it over
# MQTT, upgrades, removes and purges it, and looks that nothing stays behind. Prints how long it took
# from the package to the first answer.
#
#   run-in-chroot.sh [twowatt_VERSION_amd64.deb]     (default: builds one)
#
# Needs root, debootstrap, mosquitto, unshare, ip and dpkg-deb, and a Debian mirror for the bare root;
# lintian's part is left out when it is not installed. DEB_BASE names a folder where the bare Debian is
# kept between runs. Exit code 77: cannot run here. There is no systemd in this root: what it does with
# the units is tested in test/e2e/systemd.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../../.." && pwd)
# shellcheck source=chroot.sh
. "$here/chroot.sh"

question='把地下室的风扇弄到100％。'
right='{"intent":"set","device":"fan","room":"basement","property":"speed","value":100}'

# The part that runs offline; $work, $root and $deb are handed in.
if [ "${1:-}" = --offline ]; then
  work=$2 root=$3 deb=$4
  enter
  start_broker
  cp "$deb" "$root/tmp/twowatt.deb"
  inventory >"$work/before"

  serve() { # systemd's part (StateDirectory=, ExecStart=), which a bare root does not have
    mkdir -p "$root/var/lib/twowatt"
    become /usr/bin/twowatt run >"$work/daemon.log" 2>&1 &
    daemon=$!
    await "the daemon to be ready" 120 ready
  }
  stop() {
    kill -TERM "$daemon"
    wait "$daemon" || fail "the daemon ended with $?: $(tail -3 "$work/daemon.log")"
  }
  ask() { inside twowatt ask --broker mqtt://127.0.0.1 --node board --timeout 60 "$question"; }

  # Figure 7: one command, one line of configuration.
  start=$EPOCHREALTIME
  inside dpkg -i /tmp/twowatt.deb >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log"; fail "dpkg -i"; }
  installed=$(elapsed "$start")
  echo 'mqtt.url: mqtt://127.0.0.1:1883' >>"$root/etc/twowatt/config.yaml"
  echo 'node.id: board' >"$work/second-line" # the test's own: it must know where to ask
  cat "$work/second-line" >>"$root/etc/twowatt/config.yaml"
  serve
  answer=$(ask)
  first=$(elapsed "$start")
  expect "the first answer" "$right" "$answer"
  say "installed in $installed s, first answer over MQTT $first s after the start of the installation"

  expect "version" "twowatt 0" "$(inside twowatt --version | sed 's/^\([0-9]\).*/twowatt \1/')"
  [ -s "$root/var/lib/twowatt/queue.sqlite" ] || fail "the journal is not in /var/lib/twowatt"
  [ -z "$(inside dpkg --verify twowatt | grep -v ' c /etc/twowatt/config.yaml$')" ] ||
    fail "dpkg --verify: $(inside dpkg --verify twowatt)"
  for page in usr/share/man/man1/twowatt.1.gz usr/share/doc/twowatt/copyright \
    usr/share/doc/twowatt/sbom.cdx.json usr/share/bash-completion/completions/twowatt; do
    # minbase's dpkg may be told to leave documents out; this one is not.
    [ -s "$root/$page" ] || fail "no /$page"
  done
  stop
  say "stopped with exit code 0"

  # An upgrade keeps settings and data.
  echo mark >"$root/var/lib/twowatt/mark"
  dpkg-deb -R "$deb" "$work/next"
  sed -i 's/^Version: .*/&+next/' "$work/next/DEBIAN/control"
  sed -i '1i # a newer comment' "$work/next/etc/twowatt/config.yaml"
  dpkg-deb --root-owner-group -Zgzip -z1 -b "$work/next" "$root/tmp/next.deb" >/dev/null
  inside dpkg -i --force-confold /tmp/next.deb >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log"; fail "upgrade"; }
  grep -q '^mqtt.url' "$root/etc/twowatt/config.yaml" || fail "the upgrade lost the settings"
  [ -f "$root/var/lib/twowatt/mark" ] || fail "the upgrade lost data"
  rm -f "$root/etc/twowatt/config.yaml.dpkg-dist"
  serve
  expect "the answer after the upgrade" "$right" "$(ask)"
  stop
  say "upgraded: settings and data are there, and it answers"

  inside dpkg --remove twowatt >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log"; fail "remove"; }
  [ ! -e "$root/usr/lib/twowatt" ] && [ ! -e "$root/usr/bin/twowatt" ] || fail "remove left the program"
  [ -f "$root/etc/twowatt/config.yaml" ] || fail "remove took the settings"
  [ -f "$root/var/lib/twowatt/mark" ] || fail "remove took the data"
  say "removed: settings and data stay"

  inside dpkg --purge twowatt >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log"; fail "purge"; }
  inventory >"$work/after"
  left=$(diff "$work/before" "$work/after" || true)
  expect "what a purge leaves" "" "$left"
  say "purged: the root is as it was"
  exit 0
fi

[ "$(id -u)" = 0 ] || skip "needs root"
[ "$(uname -m)" = x86_64 ] || skip "needs an x64 machine"
need debootstrap mosquitto unshare ip dpkg-deb
work=$(mktemp -d)
trap 'end_offline; rm -rf "$work"' EXIT

deb=${1:-}
if [ -z "$deb" ]; then
  node=$checkout/node_modules/node/bin/node
  [ -x "$node" ] || skip "needs the pinned Node (npm ci)"
  PATH="$checkout/node_modules/.bin:$PATH" node "$checkout/packaging/build-deb.ts" --arch amd64 --fast --out "$work/out"
  deb=$(echo "$work"/out/*.deb)
  say "built the package"
fi

if command -v lintian >/dev/null; then
  # As lintian counts, bundled binaries are faults; the overrides say why they are here.
  lintian --allow-root --fail-on error,warning "$deb" >"$work/lintian" 2>&1 || { cat "$work/lintian"; fail "lintian"; }
  grep -E '^[EWI]: ' "$work/lintian" && fail "lintian" || true
  say "lintian has nothing to say"
fi

base=${DEB_BASE:-$work/base}
bare_debian "$base"
root=$work/root
cp -a --reflink=auto "$base" "$root"
offline "$0" --offline "$work" "$root" "$(realpath "$deb")"
echo ok
