#!/bin/sh
# Attempts that the unit's sandbox must refuse, and things that it must leave possible; one line each. Run
# without the sandbox, by root, every attempt succeeds: so a refusal is the sandbox's doing.
try() { # what, command
  what=$1
  shift
  if "$@" >/dev/null 2>&1; then echo "ESCAPED $what"; else echo "refused $what"; fi
}
need() {
  what=$1
  shift
  if "$@" >/dev/null 2>&1; then echo "works $what"; else echo "BROKEN $what"; fi
}
sh_() { sh -c "$1"; }

try "write to /etc" sh_ 'echo x > /etc/escape'
try "write to /usr" sh_ 'echo x > /usr/escape'
try "write to /var outside of the state folder" sh_ 'echo x > /var/lib/escape'
try "read a home" cat /home/diary
try "read root's home" cat /root/diary
try "read the password hashes" cat /etc/shadow
try "read the secrets' own files" sh_ 'cat /etc/credstore/*'
try "mount a file system" mount -t tmpfs none /mnt
try "make a mount namespace" unshare -m true
try "make a network namespace" unshare -n true
try "become another user" setpriv --reuid=1 --clear-groups true
try "change a file's owner" sh_ 'f=$(mktemp) && chown 1:1 "$f"'
try "make a setuid program" sh_ 'f=$(mktemp) && chmod 4755 "$f"'
try "make a device" sh_ 'cd "$(mktemp -d)" && mknod zero c 1 5'
try "see processes of others" test -r /proc/1/cmdline
try "signal PID 1" kill -0 1
try "run in real time" chrt -f 1 true
try "set the host name" sh_ 'hostname "$(hostname)"'
try "run as another architecture's personality" setarch linux32 true
try "change the root folder" chroot / true

need "write to the state folder" sh_ 'echo x > "${STATE_DIRECTORY:-/var/lib/twowatt}/needed" && rm "${STATE_DIRECTORY:-/var/lib/twowatt}/needed"'
need "write to a temporary file" sh_ 'rm "$(mktemp)"'
need "read the settings" cat /etc/twowatt/config.yaml
need "count the cores" sh_ 'grep -c ^processor /proc/cpuinfo'
need "read sensors" test -d /sys/class
# V8 compiles while it runs, and MQTT is a socket.
node=$(command -v node || echo /usr/lib/twowatt/bin/node)
if [ -x "$node" ]; then
  need "compile and connect" "$node" -e '
    let sum = 0; for (let i = 0; i < 1e6; i++) sum += i;
    const net = require("node:net");
    const server = net.createServer((one) => one.end()).listen(0, "127.0.0.1", () =>
      net.connect(server.address().port, "127.0.0.1").on("close", () => process.exit(sum > 0 ? 0 : 1)).resume());'
fi
