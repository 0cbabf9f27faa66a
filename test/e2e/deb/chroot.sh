# Shared by the scripts that install the Debian package into a bare Debian root. Sourced, after
# `set -euo pipefail`; defines $work and $root, and says() fail() skip() expect().

began=$EPOCHREALTIME
elapsed() { # since $1, in seconds with one decimal
  local us=$((${EPOCHREALTIME/./} - ${1/./}))
  printf '%d.%d' $((us / 1000000)) $((us % 1000000 / 100000))
}
say() { printf '%7s s  %s\n' "$(elapsed "$began")" "$*"; }
skip() { echo "skipped: $*"; exit 77; }
fail() { echo "FAILED: $*" >&2; exit 1; }
expect() { # what, wanted, found
  [ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"
}
need() { for tool in "$@"; do command -v "$tool" >/dev/null || skip "needs $tool"; done; }

# The mirror that this machine's own apt uses.
mirror() {
  echo "${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null |
    grep -v security | head -n 1)}"
}

# A bare Debian in folder $1, further options for debootstrap behind it.
bare_debian() {
  local base=$1
  shift
  [ ! -x "$base/usr/bin/dpkg" ] || return 0
  debootstrap --variant=minbase "$@" bookworm "$base" "$(mirror)" >"$base.log" 2>&1 ||
    { tail -5 "$base.log"; fail "debootstrap"; }
  rm -f "$base.log"
  say "built a bare Debian in $base"
}

# Namespaces of its own: no network but loopback, own mounts, and no process that outlives the script.
namespace=
offline() {
  unshare --mount --net --pid --fork --kill-child --mount-proc "$@" &
  namespace=$!
  # In the background, so that a signal ends this script now and not when all is done.
  wait "$namespace" || exit
  namespace=
}
end_offline() { [ -z "$namespace" ] || kill -KILL "$namespace" 2>/dev/null || true; }

enter() { # inside the namespaces: loopback, and what programs in $root expect to find
  ip link set lo up
  mount -t proc proc "$root/proc"
  mount -t tmpfs tmpfs "$root/dev"
  local device
  for device in null zero random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir -p "$root/dev/shm"
  mount -t tmpfs tmpfs "$root/dev/shm"
}
# Becomes a program inside the root; in the background, $! is then that program and gets its signals.
become() {
  exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    ${QEMU_CPU:+QEMU_CPU=$QEMU_CPU} "$@"
}
inside() { (become "$@"); }

start_broker() { # in a network namespace of its own the default port is free
  printf 'listener 1883 127.0.0.1\nallow_anonymous true\npersistence false\n' >"$work/mosquitto.conf"
  chmod 755 "$work"
  chmod 644 "$work/mosquitto.conf"
  mosquitto -c "$work/mosquitto.conf" >"$work/mosquitto.log" 2>&1 &
  await "the broker" 10 listens 1883
}
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# The daemon has its model and its broker. A first prompt must not come before: a broker keeps messages
# only for a subscriber that it knows already.
ready() {
  (
    exec 3<>/dev/tcp/127.0.0.1/8470 || exit
    printf 'GET /readyz HTTP/1.0\r\nHost: 127.0.0.1:8470\r\n\r\n' >&3
    grep -q '^HTTP/1.1 200' <&3
  ) 2>/dev/null
}
await() { # what, seconds, command
  local end=$((SECONDS + $2)) what=$1
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || fail "waited in vain for $what"
    sleep 0.1
  done
}

# What is in the root, except for dpkg's own book-keeping. Rights, owners and names.
inventory() {
  (cd "$root" && find . -xdev \( -path ./proc -o -path ./dev -o -path ./sys -o -path ./tmp \
    -o -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/cache -o -path ./run \
    -o -path ./root \) -prune -o -printf '%M %u %g %p\n' | sort -k4)
}
