# The Debian package as a way to install, for run-in-nspawn.sh: TWOWATT_INSTALL=deb
# DEB=release/twowatt_VERSION_amd64.deb. It starts the service itself, and is then upgraded, removed
# and purged.

install_deb() {
  unit_folder=/usr/lib/systemd/system
  node_inside=/usr/lib/twowatt/bin/node
  case $1 in
    files)
      [ -f "${DEB:-}" ] || skip "needs DEB=…/twowatt_VERSION_amd64.deb (npm run package:deb)"
      cp "$DEB" "$root/root/twowatt.deb"
      ;;
    start)
      dpkg_inside -i /root/twowatt.deb
      is_active || fail "the package does not start the service"
      inside systemctl is-enabled --quiet twowatt || fail "the package does not enable the service"
      say "installed: enabled and started by the package"
      ;;
  esac
}

# The settings that the test made stay, as an administrator's do.
dpkg_inside() {
  inside env DEBIAN_FRONTEND=noninteractive dpkg --force-confold "$@" >"$work/dpkg.log" 2>&1 ||
    { cat "$work/dpkg.log"; fail "dpkg $*"; }
}

check_uninstall_deb() {
  local main settings
  inside systemctl reset-failed twowatt
  inside systemctl start twowatt
  main=$(show MainPID)
  settings=$(inside sha256sum /etc/twowatt/config.yaml)
  inside touch /var/lib/twowatt/kept
  dpkg_inside -i /root/twowatt.deb
  await "the upgraded daemon" 30 has_new_main "$main"
  expect "settings after the upgrade" "$settings" "$(inside sha256sum /etc/twowatt/config.yaml)"
  inside test -f /var/lib/twowatt/kept || fail "the upgrade took the state along"
  answers "after the upgrade"
  say "upgraded: started anew, settings and state kept"

  dpkg_inside --remove twowatt
  expect "processes after the removal" "" "$(inside sh -c 'ps -u twowatt -o pid=' 2>/dev/null || true)"
  inside test ! -e "$unit_folder/twowatt.service" || fail "a unit is left"
  inside test -f /var/lib/twowatt/queue.sqlite || fail "the removal took the state along"
  inside test -f /etc/twowatt/config.yaml || fail "the removal took the settings along"
  dpkg_inside --purge twowatt
  expect "left after the purge" "" "$(inside sh -c \
    'ls -d /var/lib/twowatt* /etc/twowatt /usr/lib/twowatt /etc/credstore/twowatt-* 2>/dev/null' || true)"
  expect "units left" "" "$(inside sh -c 'ls -R /etc/systemd/system | grep twowatt' || true)"
  say "removed: settings and state kept; purged: nothing left"
}
