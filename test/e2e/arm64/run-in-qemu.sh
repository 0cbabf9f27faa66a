#!/bin/bash
# Proves the arm64 package without a board: a Debian root for arm64, the package installed offline with
# its own dpkg, the daemon started on an emulated core without 8-bit dot products (cortex-a72, as in a
# Pi 4) and on one with them (cortex-a76, Pi 5), prompts answered over MQTT by the bundled model, and
# the answers held against those of this machine.
#
#   run-in-qemu.sh [twowatt_VERSION_arm64.deb]       (default: builds one)
#
# Needs root, debootstrap, qemu-user-static, mosquitto, unshare and ip, a built checkout (npm ci) for
# the comparison, and a Debian mirror for the bare root (three minutes; ARM64_BASE keeps it between
# runs). CPUS names other cores. Exit code 77: cannot run here.
# Emulation shows that it is right, never how fast it is: the seconds below are no board's.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../../.." && pwd)
# shellcheck source=../deb/chroot.sh
. "$here/../deb/chroot.sh"

commands=('把地下室的风扇弄到100％。' '打开书房的台灯' 'turn off the fan in the kitchen')
# The model's own certainty differs by a few hundredths between cores, as their 8-bit products round
# differently; an answer by more than this would be another computation.
tolerance=0.05

# qemu shows programs this machine's /proc/cpuinfo. The model is converted for what the cores list there,
# so the emulated core's own list (as Linux prints it on such a board) is put in its place.
features() {
  local common='fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid'
  case $1 in
    cortex-a76 | neoverse-n1) echo "$common atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp" ;;
    *) echo "$common" ;;
  esac
}

field() { # the value of a JSON field in a `done` frame
  "$node" -e 'const f = JSON.parse(process.argv[1]); console.log(String(f[process.argv[2]]))' "$1" "$2"
}

if [ "${1:-}" = --offline ]; then
  work=$2 root=$3 deb=$4 node=$5
  enter
  start_broker
  cp "$deb" "$root/tmp/twowatt.deb"
  start=$EPOCHREALTIME
  inside dpkg -i /tmp/twowatt.deb >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log"; fail "dpkg -i"; }
  say "installed offline in $(elapsed "$start") s; $(inside dpkg --print-architecture), $(inside twowatt --version)"
  # Emulated steps take long, and this machine has no watts to keep. Unsure answers are wanted, too.
  cat >>"$root/etc/twowatt/config.yaml" <<'CONF'
mqtt.url: mqtt://127.0.0.1:1883
node.id: board
engine: { threads: 1, step_timeout_s: 600 }
governor.budget_w: 500
router.low_confidence_action: answer
CONF

  for cpu in ${CPUS:-cortex-a72 cortex-a76}; do
    export QEMU_CPU=$cpu
    rm -rf "$root/var/lib/twowatt"
    mkdir "$root/var/lib/twowatt"
    printf 'processor\t: 0\nFeatures\t: %s\nCPU implementer\t: 0x41\n' "$(features "$cpu")" >"$work/cpuinfo-$cpu"
    mount --bind "$work/cpuinfo-$cpu" "$root/proc/cpuinfo"
    start=$EPOCHREALTIME
    become /usr/bin/twowatt run >"$work/daemon.log" 2>&1 &
    daemon=$!
    await "the daemon to be ready" 900 ready
    say "$cpu: ready $(elapsed "$start") s after the start, model converted to $(ls "$root/var/lib/twowatt/models")"
    for index in "${!commands[@]}"; do
      asked=$EPOCHREALTIME
      # Asked by this machine's Node: only what is under test is emulated.
      frame=$("$node" "$checkout/bin/twowatt.js" ask --broker mqtt://127.0.0.1 --node board --timeout 900 --json \
        "${commands[$index]}") || { tail -5 "$work/daemon.log"; fail "$cpu: no answer"; }
      took=$(elapsed "$asked")
      expected=$(cat "$work/x64-$index")
      expect "$cpu: ${commands[$index]}" "$(field "$expected" text)" "$(field "$frame" text)"
      "$node" -e 'const [a, b, most] = process.argv.slice(1).map(Number); process.exit(Math.abs(a - b) <= most ? 0 : 1)' \
        "$(field "$expected" confidence)" "$(field "$frame" confidence)" "$tolerance" ||
        fail "$cpu: confidence $(field "$frame" confidence), on x64 $(field "$expected" confidence)"
      say "$cpu: $took s, confidence $(field "$frame" confidence | cut -c1-7) (x64 $(field "$expected" confidence | cut -c1-7)): $(field "$frame" text)"
    done
    kill -TERM "$daemon"
    wait "$daemon" || fail "$cpu: the daemon ended with $?: $(tail -3 "$work/daemon.log")"
    umount "$root/proc/cpuinfo"
    say "$cpu: stopped with exit code 0"
  done
  unset QEMU_CPU
  inside dpkg --purge twowatt >"$work/dpkg.log" 2>&1 || { cat "$work/dpkg.log"; fail "purge"; }
  [ ! -e "$root/usr/lib/twowatt" ] && [ ! -e "$root/var/lib/twowatt" ] || fail "purge left something"
  say "purged"
  exit 0
fi

[ "$(id -u)" = 0 ] || skip "needs root"
need debootstrap mosquitto unshare ip dpkg-deb qemu-aarch64-static
node=$checkout/node_modules/node/bin/node
[ -x "$node" ] || skip "needs the pinned Node (npm ci)"
[ -f "$checkout/dist/cli/main.js" ] || skip "needs a build (npm run build)"
work=$(mktemp -d)
registered= mounted=
cleanup() {
  end_offline
  [ -z "$registered" ] || echo -1 >"$binfmt/twowatt-aarch64"
  [ -z "$mounted" ] || umount "$binfmt"
  rm -rf "$work"
}
trap cleanup EXIT

# The kernel starts arm64 programs through qemu. F: the interpreter is opened now, so the root needs no
# copy of it.
binfmt=/proc/sys/fs/binfmt_misc
if [ ! -e "$binfmt/register" ]; then
  mount -t binfmt_misc binfmt_misc "$binfmt" 2>/dev/null || skip "needs binfmt_misc"
  mounted=yes
fi
if [ ! -e "$binfmt/qemu-aarch64" ]; then
  magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
  mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  printf '%s' ":twowatt-aarch64:M::$magic:$mask:$(command -v qemu-aarch64-static):F" >"$binfmt/register" ||
    skip "cannot register qemu for arm64 programs"
  registered=yes
fi

deb=${1:-}
if [ -z "$deb" ]; then
  PATH="$checkout/node_modules/.bin:$PATH" node "$checkout/packaging/build-deb.ts" --arch arm64 --fast --out "$work/out"
  deb=$(echo "$work"/out/*.deb)
  say "built the package"
fi
for index in "${!commands[@]}"; do
  ORT_DISABLE_TELEMETRY=1 "$node" "$checkout/bin/twowatt.js" ask --json --set "node.state_folder=$work/state" \
    --set "model.cache_path=$work/models" "${commands[$index]}" >"$work/x64-$index" 2>"$work/x64.log" ||
    { cat "$work/x64.log"; fail "no answer on this machine"; }
done
base=${ARM64_BASE:-$work/base}
bare_debian "$base" --arch=arm64
root=$work/root
cp -a --reflink=auto "$base" "$root"
offline "$0" --offline "$work" "$root" "$(realpath "$deb")" "$node"
echo ok
