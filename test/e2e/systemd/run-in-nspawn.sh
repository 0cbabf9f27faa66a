#!/bin/bash
# Starts systemd/twowatt.service under a real systemd, in a container of its own: READY, an answer
# over MQTT, the sandbox, a hung engine, a hung daemon (watchdog), a clean stop, a bad configuration.
#
# Needs root, debootstrap and systemd-nspawn, a built checkout (npm ci) and a Debian mirror; the
# container itself has no network. NSPAWN_BASE names a folder where the bare Debian is kept between
# runs (default: made anew and removed, which takes most of the time). Exit code 77: cannot run here.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../../.." && pwd)
# The mirror that this machine's own apt uses.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep -v security | head -n 1)}
broker=mqtt://127.0.0.1:1883

skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" = 0 ] || skip "needs root"
for tool in debootstrap systemd-nspawn nsenter; do
  command -v "$tool" >/dev/null || skip "needs $tool"
done
node=$checkout/node_modules/node/bin/node
[ -x "$node" ] || skip "needs the pinned Node (npm ci)"
[ -f "$checkout/dist/cli/main.js" ] || skip "needs a build (npm run build)"

work=$(mktemp -d)
root=$work/root
nspawn=
cleanup() {
  status=$?
  if [ "$status" -ne 0 ] && [ -n "${leader:-}" ]; then
    inside journalctl -u twowatt --no-pager -n 40 || true
  fi
  if [ -n "$nspawn" ]; then
    kill -TERM "$nspawn" 2>/dev/null || true
    for _ in $(seq 50); do kill -0 "$nspawn" 2>/dev/null || break; sleep 0.1; done
    kill -KILL "$nspawn" 2>/dev/null || true
    wait "$nspawn" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap cleanup EXIT

say() { printf '%6.1f s  %s\n' "$(echo "$EPOCHREALTIME - $began" | bc)" "$*"; }
command -v bc >/dev/null || say() { echo "$(( ${EPOCHREALTIME%.*} - ${began%.*} )) s  $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
expect() { # what, wanted, found
  [ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"
}
began=$EPOCHREALTIME

base=${NSPAWN_BASE:-$work/base}
if [ ! -x "$base/usr/lib/systemd/systemd" ]; then
  debootstrap --variant=minbase --include=systemd,systemd-sysv bookworm "$base" "$mirror" \
    >"$work/debootstrap.log" 2>&1 || { tail -5 "$work/debootstrap.log"; fail "debootstrap"; }
  say "built a bare Debian"
fi
cp -a --reflink=auto "$base" "$root"

install -D -m 644 "$checkout/systemd/twowatt.service" "$root/etc/systemd/system/twowatt.service"
mkdir -p "$root/opt/twowatt" "$root/etc/twowatt" "$root/etc/systemd/system/twowatt.service.d"
touch "$root/usr/bin/node"
# The unit as shipped, with shorter patience so that the test need not wait minutes.
cat >"$root/etc/systemd/system/twowatt.service.d/test.conf" <<'CONF'
[Service]
WatchdogSec=6
CONF
cat >"$root/etc/twowatt/config.yaml" <<'CONF'
node: { id: board }
mqtt: { embedded: true }
engine: { threads: 1, step_timeout_s: 2 }
CONF

systemd-nspawn --quiet --register=no --keep-unit --private-network --boot --directory="$root" \
  --bind-ro="$checkout:/opt/twowatt" --bind-ro="$node:/usr/bin/node" \
  --console=pipe </dev/null >"$work/console.log" 2>&1 &
nspawn=$!

# The container's PID 1, as this machine counts: a descendant whose innermost PID is 1.
find_leader() {
  local pid parent chain
  for pid in $(grep -lE $'^NSpid:\t[0-9]+\t1$' /proc/[0-9]*/status 2>/dev/null | cut -d/ -f3); do
    chain=$pid
    while [ "${chain:-0}" -gt 1 ]; do
      [ "$chain" = "$nspawn" ] && { echo "$pid"; return; }
      parent=$(sed -n 's/^PPid:\t//p' "/proc/$chain/status" 2>/dev/null) || break
      chain=$parent
    done
  done
}
leader=
for _ in $(seq 100); do
  leader=$(find_leader)
  [ -n "$leader" ] && break
  sleep 0.1
done
[ -n "$leader" ] || { cat "$work/console.log"; fail "the container did not boot"; }
inside() {
  nsenter -t "$leader" -m -u -i -n -p -- \
    /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
}
for _ in $(seq 100); do
  case $(inside systemctl is-system-running 2>/dev/null || true) in running | degraded) break ;; esac
  sleep 0.1
done
say "container is up: $(inside systemctl --version | head -1)"

show() { inside systemctl show twowatt --value -p "$1"; }
# The answer's text; asking is a process of its own, as it would be on another machine.
ask() {
  inside /usr/bin/node /opt/twowatt/bin/twowatt.js ask --broker "$broker" --node board \
    --timeout 20 "$1"
}
engine() { # its PID inside the container
  inside sh -c 'grep -lzE "engine/process/[m]ain" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 | head -1'
}
await() { # what, seconds, command
  local end=$((SECONDS + $2)) what=$1
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || fail "waited in vain for $what"
    sleep 0.2
  done
}
question='把地下室的风扇弄到100％。'
right='{"intent":"set","device":"fan","room":"basement","property":"speed","value":100}'

verify=$(inside systemd-analyze verify /etc/systemd/system/twowatt.service 2>&1) || true
expect "systemd-analyze verify" "" "$verify"

# Type=notify: start returns only after READY=1.
inside systemctl start twowatt || fail "the unit did not start"
say "READY: $(show StatusText)"
expect ActiveState active "$(show ActiveState)"
expect Type notify "$(show Type)"
expect NotifyAccess main "$(show NotifyAccess)"
expect DynamicUser yes "$(show DynamicUser)"
expect WatchdogUSec 6s "$(show WatchdogUSec)"
expect StatusText "serving as board" "$(show StatusText)"
main=$(show MainPID)
uid=$(inside awk '/^Uid:/ {print $2}' "/proc/$main/status")
[ "$uid" -ge 61184 ] && [ "$uid" -le 65519 ] || fail "runs as uid $uid, not as a dynamic user"
expect "mode of the state folder" 700 "$(inside stat -c %a /var/lib/private/twowatt)"
inside test -f /var/lib/private/twowatt/queue.sqlite || fail "no journal in the state folder"

expect "the first answer" "$right" "$(ask "$question")"
say "answered a prompt over MQTT"

# Idle is healthy: it must live through more than one watchdog period without work.
sleep 8
expect "MainPID after idling" "$main" "$(show MainPID)"
expect NRestarts 0 "$(show NRestarts)"
say "idle for longer than a watchdog period, and still alive"

# A hung engine is the daemon's own business: replaced, and the prompt answered all the same.
hung=$(engine)
[ -n "$hung" ] || fail "no engine process"
inside sh -c "kill -STOP $hung"
expect "the answer after the engine hung" "$right" "$(ask "$question")"
[ "$(engine)" != "$hung" ] || fail "the hung engine was not replaced"
expect NRestarts 0 "$(show NRestarts)"
say "replaced a hung engine and answered"

# A hung daemon is systemd's business.
inside sh -c "kill -STOP $main"
restarted() { [ "$(show NRestarts)" = 1 ] && [ "$(show ActiveState)" = active ]; }
await "the watchdog to restart the daemon" 40 restarted
[ "$(show MainPID)" != "$main" ] || fail "the hung daemon was not replaced"
[ "$(inside sh -c 'journalctl -u twowatt --no-pager | grep -c "Watchdog timeout"')" -ge 1 ] ||
  fail "something else than the watchdog restarted it"
expect "the answer after the watchdog" "$right" "$(ask "$question")"
say "the watchdog restarted a hung daemon"

inside systemctl stop twowatt
expect Result success "$(show Result)"
expect ExecMainStatus 0 "$(show ExecMainStatus)"
[ -z "$(engine)" ] || fail "an engine process outlived the stop"
say "stopped cleanly"

# A wrong configuration is reported with its key and not tried again and again.
inside sh -c 'echo "mqtt: { keepalive_s: soon }" > /etc/twowatt/config.yaml'
if inside systemctl start twowatt 2>/dev/null; then fail "started with a wrong configuration"; fi
expect ExecMainStatus 2 "$(show ExecMainStatus)"
expect "state after a wrong configuration" failed "$(show ActiveState)"
inside sh -c 'journalctl -u twowatt --no-pager | grep -q keepalive_s' || fail "the bad key is not named"
say "a wrong configuration ends with exit code 2 and its key named"
echo "ok"
