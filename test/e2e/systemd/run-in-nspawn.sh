#!/bin/bash
# twowatt under a real systemd, in a container of its own: install, READY, an answer over MQTT,
# credentials, the sandbox, the clock, a hung engine, a hung daemon, kill -9, reload, stop, uninstall.
# Every time that docs/operating.md quotes is printed.
#
# Needs root, debootstrap and systemd-nspawn, a built checkout (npm ci) and a Debian mirror; the
# container itself has no network. NSPAWN_BASE names a folder where the bare Debian is kept between
# runs (default: made anew and removed, which takes most of the time). Exit code 77: cannot run here.
#
# What is tested is this checkout, set up by `twowatt service install`, or with TWOWATT_INSTALL=deb
# DEB=FILE a Debian package (deb.sh). A way to install is a function install_NAME: it is called twice,
# `install_NAME files` before the container boots and `install_NAME start` inside of it, and leaves
# `twowatt` on the container's PATH and twowatt.service running; check_uninstall_NAME takes it away.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../../.." && pwd)
install=${TWOWATT_INSTALL:-checkout}
# The mirror that this machine's own apt uses.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep -v security | head -n 1)}
broker=mqtt://127.0.0.1:1883
# The longest that a hang may take to be over, with the unit as it is shipped.
recovery_limit_s=15
ready_limit_s=3
# A busy machine may be slow without being wrong.
patience=${PATIENCE:-1}

skip() { echo "skipped: $*"; exit 77; }
[ "$(id -u)" = 0 ] || skip "needs root"
for tool in debootstrap systemd-nspawn nsenter; do
  command -v "$tool" >/dev/null || skip "needs $tool"
done

work=$(mktemp -d)
root=$work/root
nspawn=
cleanup() {
  status=$?
  if [ "$status" -ne 0 ] && [ -n "${leader:-}" ]; then
    inside journalctl --no-pager -n 60 || true
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

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
seconds() { printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)); }
began=$(now_ms)
say() { echo "$(seconds $(($(now_ms) - began))) s  $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
expect() { # what, wanted, found
  [ "$2" = "$3" ] || fail "$1: expected '$2', found '$3'"
}
within() { # what, limit in seconds, ms
  [ "$3" -le $(($2 * 1000 * patience)) ] || fail "$1 took $(seconds "$3") s, at most $2 s are allowed"
  say "MEASURED $1: $(seconds "$3") s (at most $2 s)"
}
await() { # what, seconds, command
  local end=$((SECONDS + $2 * patience)) what=$1
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || fail "waited in vain for $what"
    sleep 0.1
  done
}

# --- the container ------------------------------------------------------------------------------------

build_root() {
  local base=${NSPAWN_BASE:-$work/base}
  if [ ! -x "$base/usr/lib/systemd/systemd" ]; then
    debootstrap --variant=minbase --include=systemd,systemd-sysv bookworm "$base" "$mirror" \
      >"$work/debootstrap.log" 2>&1 || { tail -5 "$work/debootstrap.log"; fail "debootstrap"; }
    say "built a bare Debian"
  fi
  cp -a --reflink=auto "$base" "$root"
  mkdir -p "$root/etc/twowatt"
  install -d -m 700 "$root/etc/credstore"
  cat >"$root/etc/twowatt/config.yaml" <<'CONF'
node: { id: board }
mqtt: { embedded: true }
engine: { threads: 1 }
http: { token_file: twowatt-http-token }
CONF
  (umask 077 && echo "a-token-of-the-test" >"$root/etc/credstore/twowatt-http-token")
}

boot() {
  systemd-nspawn --quiet --register=no --keep-unit --private-network --boot --directory="$root" \
    "${binds[@]}" --console=pipe </dev/null >"$work/console.log" 2>&1 &
  nspawn=$!
  local _
  for _ in $(seq 100); do
    leader=$(find_leader)
    [ -n "$leader" ] && break
    sleep 0.1
  done
  [ -n "$leader" ] || { cat "$work/console.log"; fail "the container did not boot"; }
  for _ in $(seq 300); do
    case $(inside systemctl is-system-running 2>/dev/null || true) in running | degraded) break ;; esac
    sleep 0.1
  done
  say "container is up: $(inside systemctl --version | head -1)"
}

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

inside() {
  nsenter -t "$leader" -m -u -i -n -p -- \
    /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "$@"
}

# --- ways to install ----------------------------------------------------------------------------------

binds=()
unit_folder=/etc/systemd/system
node_inside=/usr/bin/node
# shellcheck source=deb.sh
. "$here/deb.sh"
install_checkout() {
  local node=$checkout/node_modules/node/bin/node
  case $1 in
    files)
      [ -x "$node" ] || skip "needs the pinned Node (npm ci)"
      [ -f "$checkout/dist/cli/main.js" ] || skip "needs a build (npm run build)"
      mkdir -p "$root/opt/twowatt"
      touch "$root/usr/bin/node"
      printf '#!/bin/sh\nexec /usr/bin/node /opt/twowatt/bin/twowatt.js "$@"\n' >"$root/usr/bin/twowatt"
      chmod 755 "$root/usr/bin/twowatt"
      binds=(--bind-ro="$checkout:/opt/twowatt" --bind-ro="$node:/usr/bin/node")
      ;;
    start)
      inside twowatt service install --manager systemd || fail "service install"
      # Twice is as good as once, and a hand-edited unit is not touched.
      local before
      before=$(show MainPID)
      expect "steps of a second install" "" \
        "$(inside twowatt service install --manager systemd | grep -E '^(write|systemctl restart)' || true)"
      expect "MainPID after a second install" "$before" "$(show MainPID)"
      inside sh -c 'echo "# mine" >> /etc/systemd/system/twowatt.service'
      inside twowatt service install --manager systemd 2>"$work/edited" && fail "overwrote an edited unit"
      grep -q 'twowatt.service (edited since)' "$work/edited" || fail "does not say what was edited"
      inside sed -i '$d' /etc/systemd/system/twowatt.service
      inside systemctl daemon-reload
      say "service install: starts, may be repeated, leaves hand-edited units alone"
      ;;
  esac
}

# --- looking and asking -------------------------------------------------------------------------------

show() { inside systemctl show twowatt --value -p "$1"; }
is_active() { [ "$(show ActiveState)" = active ]; }
# The answer's text; asking is a process of its own, as it would be on another machine.
ask() { inside twowatt ask --broker "$broker" --node board --timeout 40 "$1"; }
engine() { # its PID inside the container
  inside sh -c 'grep -lzE "engine/process/[m]ain" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 | head -1'
}
journal() { inside journalctl --no-pager -o cat -u twowatt "$@"; }
question='把地下室的风扇弄到100％。'
right='{"intent":"set","device":"fan","room":"basement","property":"speed","value":100}'
answers() { expect "the answer $1" "$right" "$(ask "$question")"; }

# --- the checks ---------------------------------------------------------------------------------------

check_units() {
  local unit
  for unit in twowatt.service twowatt-cpufreq.service twowatt-fleet.service twowatt.target; do
    expect "systemd-analyze verify $unit" "" "$(inside systemd-analyze verify "$unit" 2>&1 || true)"
  done
  for unit in twowatt twowatt-cpufreq twowatt-fleet; do
    inside systemd-analyze security --no-pager --threshold=15 "$unit" >"$work/security" ||
      { cat "$work/security"; fail "$unit is exposed by more than 1.5"; }
    say "$(tail -1 "$work/security" | tr -d '→')"
  done
}

check_start() {
  expect ActiveState active "$(show ActiveState)"
  expect Type notify "$(show Type)"
  expect NotifyAccess main "$(show NotifyAccess)"
  expect User twowatt "$(show User)"
  expect WatchdogUSec 10s "$(show WatchdogUSec)"
  expect StatusText "serving as board" "$(show StatusText)"
  expect "user of the daemon" "$(inside id -u twowatt)" \
    "$(inside awk '/^Uid:/ {print $2}' "/proc/$(show MainPID)/status")"
  expect "the state folder" "700 twowatt" "$(inside stat -c '%a %U' /var/lib/twowatt)"
  inside test -f /var/lib/twowatt/queue.sqlite || fail "no journal in the state folder"
  answers "after the start"
  inside twowatt service status --manager systemd --json >"$work/status" || fail "service status"
  grep -q '"running":true' "$work/status" || fail "status: $(cat "$work/status")"
  say "serves, and answered a prompt over MQTT"
}

# From the command to READY=1, which is when `systemctl start` returns; the model is converted already.
check_ready_time() {
  inside systemctl stop twowatt
  local at
  at=$(now_ms)
  inside systemctl start twowatt || fail "the unit did not start"
  within "start to READY with nano" "$ready_limit_s" $(($(now_ms) - at))
}

check_credentials() {
  local pid
  pid=$(show MainPID)
  expect "the credential" "a-token-of-the-test" \
    "$(inside sh -c "nsenter -t $pid -m cat /run/credentials/twowatt.service/twowatt-http-token")"
  # Handed over, but the file itself is root's alone, and those that nobody made are simply not there.
  inside setpriv --reuid=twowatt --clear-groups cat /etc/credstore/twowatt-http-token 2>/dev/null &&
    fail "the service's user can read the secret's own file"
  expect "credentials" "twowatt-http-token" \
    "$(inside sh -c "nsenter -t $pid -m ls /run/credentials/twowatt.service")"
  inside env TOKEN=a-token-of-the-test "$node_inside" -e '
    const ask = (token) => fetch("http://127.0.0.1:8470/v1/models", { headers: { authorization: `Bearer ${token}` } });
    const [good, bad] = [await ask(process.env.TOKEN), await ask("wrong")];
    if (good.status !== 200 || bad.status !== 401) { console.error(good.status, bad.status); process.exit(1); }
  ' --input-type=module || fail "the token from the credential is not what HTTP asks for"
  say "credentials: read from /etc/credstore, used by HTTP, closed to the service's user"
}

# The same attempts twice: by root without the sandbox, and in the unit's own. What root could do must be
# refused there; what not even root can do here (a container may forbid things as well) proves nothing.
check_sandbox() {
  install -m 755 "$here/escapes.sh" "$root/usr/local/bin/escapes"
  inside sh -c 'echo secret > /home/diary; echo secret > /root/diary; chmod 644 /home/diary /root/diary'
  inside /usr/local/bin/escapes >"$work/free" || true
  grep '^refused' "$work/free" && say "the above was not tried: not even root can do it here"
  [ "$(grep -c '^ESCAPED' "$work/free")" -ge 15 ] || { cat "$work/free"; fail "too little to be tried"; }
  inside sh -c 'sed -e "s#^ExecStart=.*#ExecStart=/usr/local/bin/escapes#" \
      -e "s/^Type=.*/Type=oneshot/" -e "/^Watchdog/d" -e "/^ExecReload/d" -e "/^RestartPrevent/d" \
      -e "s/^Restart=.*/Restart=no/" -e "s/^StandardOutput=.*/StandardOutput=journal/" \
      -e "/^PartOf/d" -e "s#=twowatt\$#=twowatt#" "$1" \
      > /run/systemd/system/escapes.service && systemctl daemon-reload && systemctl start escapes' sh "$unit_folder/twowatt.service" ||
    fail "the escapes could not be tried: $(inside journalctl --no-pager -o cat -u escapes | tail -5)"
  inside journalctl --no-pager -o cat -u escapes | grep -E '^(refused|ESCAPED|works|BROKEN)' >"$work/caught"
  if grep -E '^(ESCAPED|BROKEN)' "$work/caught"; then fail "the sandbox leaks, or forbids what is needed"; fi
  sed -n 's/^ESCAPED/refused/p' "$work/free" | grep -vxF -f "$work/caught" && fail "the above were not tried"
  say "sandbox: $(grep -c '^ESCAPED' "$work/free") escapes refused, $(grep -c '^works' "$work/caught") needed things work"
}

# There is no cpufreq on the machines that run this: a folder of the same shape stands in for it.
check_clock() {
  # Its stop follows the daemon's, which is all that `systemctl stop` waits for.
  right_is_gone() { [ "$(inside systemctl is-active twowatt-cpufreq)" = inactive ]; }
  inside systemctl stop twowatt
  await "the stop of twowatt-cpufreq" 10 right_is_gone
  inside sh -c 'mkdir -p /srv/cpu/cpufreq/policy0 && cp -r --no-preserve=all /sys/devices/system/cpu/online \
      /sys/devices/system/cpu/possible /sys/devices/system/cpu/present /srv/cpu/ 2>/dev/null
    cd /srv/cpu/cpufreq/policy0 && echo 1800000 | tee scaling_max_freq cpuinfo_max_freq > scaling_cur_freq
    echo 600000 | tee scaling_min_freq > cpuinfo_min_freq
    echo "600000 1200000 1800000" > scaling_available_frequencies
    chmod 755 /srv/cpu /srv/cpu/cpufreq /srv/cpu/cpufreq/policy0
    chmod 644 scaling_max_freq
    mount --bind /srv/cpu /sys/devices/system/cpu' || fail "no stand-in for cpufreq"
  local clock=/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq pid
  inside systemctl start twowatt
  expect "rights while the service runs" "664 twowatt" "$(inside stat -c '%a %G' $clock)"
  pid=$(show MainPID)
  # As the daemon would, with its user and in its view of the file systems.
  inside sh -c "nsenter -t $pid -m setpriv --reuid=twowatt --regid=twowatt --clear-groups \
    sh -c 'echo 1200000 > $clock'" || fail "the daemon cannot bound the clock"
  expect "the bounded clock" 1200000 "$(inside cat $clock)"
  inside sh -c "nsenter -t $pid -m setpriv --reuid=twowatt --regid=twowatt --clear-groups \
    sh -c 'echo 1 > /sys/devices/system/cpu/cpufreq/policy0/scaling_min_freq'" 2>/dev/null &&
    fail "the daemon may write more than scaling_max_freq"
  journal -n 200 | grep 'cannot be bounded' >/dev/null && fail "the daemon found the clock closed"
  # A daemon that was killed and stays away left its record, and the clock as it was bounded.
  inside sh -c 'echo "{}" > /var/lib/twowatt/cpufreq-before.json'
  inside systemctl kill --kill-whom=main -s KILL twowatt
  inside systemctl stop twowatt
  await "the stop of twowatt-cpufreq" 10 right_is_gone
  expect "the clock after the stop" 1800000 "$(inside cat $clock)"
  expect "rights after the stop" "644 root" "$(inside stat -c '%a %G' $clock)"
  inside umount /sys/devices/system/cpu
  inside rm -f /var/lib/twowatt/cpufreq-before.json
  inside systemctl start twowatt
  say "clock: writable for the daemon alone, only scaling_max_freq, put back after a kill"
}

# Idle is healthy: it must live through more than one watchdog period without work.
check_idle() {
  local main
  main=$(show MainPID)
  sleep 22
  expect "MainPID after idling" "$main" "$(show MainPID)"
  say "idle for longer than two watchdog periods, and still alive"
}

# A hung engine is the daemon's own business: replaced, and the prompt answered all the same.
check_hung_engine() {
  local hung main at
  main=$(show MainPID)
  hung=$(engine)
  [ -n "$hung" ] || fail "no engine process"
  inside sh -c "kill -STOP $hung"
  at=$(now_ms)
  answers "after the engine hung"
  within "a hung engine, from its stop to the answer" "$recovery_limit_s" $(($(now_ms) - at))
  [ "$(engine)" != "$hung" ] || fail "the hung engine was not replaced"
  expect "MainPID after the engine hung" "$main" "$(show MainPID)"
}

has_new_main() { [ "$(show MainPID)" != "$1" ] && is_active; }

# A hung daemon is systemd's business.
check_hung_daemon() {
  local main at
  main=$(show MainPID)
  inside sh -c "kill -STOP $main"
  at=$(now_ms)
  await "the watchdog to restart the daemon" 60 has_new_main "$main"
  within "a hung daemon, from its stop to READY" "$recovery_limit_s" $(($(now_ms) - at))
  journal | grep "Watchdog timeout" >/dev/null || fail "something else than the watchdog restarted it"
  inside test ! -d "/proc/$main" || fail "the hung daemon is still there"
  answers "after the watchdog"
}

check_kill() {
  local main at
  main=$(show MainPID)
  inside sh -c "kill -KILL $main"
  at=$(now_ms)
  await "the killed daemon to come back" 60 has_new_main "$main"
  within "kill -9 of the daemon, to READY" "$recovery_limit_s" $(($(now_ms) - at))
  answers "after kill -9"
}

check_reload() {
  local main
  main=$(show MainPID)
  inside sh -c 'printf "telemetry: { interval_s: 7 }\nqueue: { max_depth: 99 }\n" >> /etc/twowatt/config.yaml'
  inside systemctl reload twowatt || fail "reload"
  restart_shown() { show StatusText | grep -q 'restart is needed for queue.max_depth'; }
  await "the status to name what needs a restart" 10 restart_shown
  expect "MainPID after a reload" "$main" "$(show MainPID)"
  inside sh -c 'cp /etc/twowatt/config.yaml /root/good.yaml; echo "mqtt: broken" > /etc/twowatt/config.yaml'
  inside systemctl reload twowatt || fail "reload of a bad configuration"
  refused() { show StatusText | grep -q 'new configuration is refused: mqtt'; }
  await "the status to name the bad key" 10 refused
  expect "ActiveState after a bad reload" active "$(show ActiveState)"
  inside cp /root/good.yaml /etc/twowatt/config.yaml
  answers "after a bad reload"
  inside systemctl reload twowatt
  say "reload: live keys at once, others named, a bad file refused and the service untouched"
}

check_stop() {
  inside systemctl stop twowatt
  expect Result success "$(show Result)"
  expect ExecMainStatus 0 "$(show ExecMainStatus)"
  [ -z "$(engine)" ] || fail "an engine process outlived the stop"
  say "stopped cleanly"
}

# A wrong configuration is reported with its key and not tried again and again.
check_wrong_configuration() {
  inside sh -c 'echo "mqtt: { keepalive_s: soon }" > /etc/twowatt/config.yaml'
  if inside systemctl start twowatt 2>/dev/null; then fail "started with a wrong configuration"; fi
  expect ExecMainStatus 2 "$(show ExecMainStatus)"
  expect "state after a wrong configuration" failed "$(show ActiveState)"
  journal | grep keepalive_s >/dev/null || fail "the bad key is not named"
  inside cp /root/good.yaml /etc/twowatt/config.yaml
  say "a wrong configuration ends with exit code 2 and its key named"
}

check_uninstall_checkout() {
  inside twowatt service uninstall --manager systemd || fail "service uninstall"
  expect "units left" "" "$(inside sh -c 'ls /etc/systemd/system | grep twowatt' || true)"
  inside test -f /var/lib/twowatt/queue.sqlite || fail "uninstall took the state along"
  say "uninstalled: units gone, settings and state kept"
}

build_root
"install_$install" files
boot
"install_$install" start
check_units
check_start
check_ready_time
check_credentials
check_sandbox
check_clock
check_idle
check_hung_engine
check_hung_daemon
check_kill
check_reload
check_stop
check_wrong_configuration
"check_uninstall_$install"
echo "ok"
