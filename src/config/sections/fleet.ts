import { isIP } from 'node:net';
import * as v from 'valibot';
import { path, pattern, real, shaped, text, whole } from '../kinds.ts';
import { setting } from '../setting.ts';
import { hostNames } from './edge.ts';

const addresses = shaped(
  'a list of IP addresses such as ["127.0.0.1"]',
  v.pipe(
    v.array(
      v.pipe(
        v.string('expected text'),
        v.check((value) => isIP(value) !== 0, 'expected an IP address'),
      ),
    ),
    v.maxLength(32),
  ),
);

export const fleet = {
  host: setting(
    pattern('a host name or an IP address', (value) => /^[A-Za-z0-9.:-]{1,253}$/.test(value)),
    '127.0.0.1',
    'Address that the fleet dashboard listens on. On any other than loopback nothing is shown without a login.',
  ),
  port: setting(whole(0, 65_535), 8480, 'TCP port of the fleet dashboard (0: any free one).'),
  allowed_hosts: setting(
    hostNames,
    [],
    'Names besides localhost by which browsers may call the dashboard on a loopback address, for a reverse proxy on this machine.',
  ),
  store: setting(
    text(1024),
    '',
    'Where the dashboard keeps its history: a SQLite file or a `postgres://` URL (empty: `fleet.sqlite` in `node.state_folder`).',
    { sensitive: true },
  ),
  server_id: setting(
    pattern('up to 64 of A-Z a-z 0-9 _ -', (value) => /^[A-Za-z0-9_-]{1,64}$/.test(value), {
      optional: true,
    }),
    '',
    'Name of this fleet server at the broker, different for each of several servers and the same after a restart (empty: made from `node.id`).',
  ),
  share: setting(
    pattern('up to 64 of A-Z a-z 0-9 _ -', (value) => /^[A-Za-z0-9_-]{1,64}$/.test(value), {
      optional: true,
    }),
    '',
    'Group of fleet servers on one PostgreSQL that share the storing of telemetry, by the shared subscriptions of an MQTT 5 broker (empty: this server stores all).',
  ),
  session_expiry_s: setting(
    whole(0, 31_536_000),
    86_400,
    'Seconds for which the broker keeps telemetry for this server while it is away. 0 loses it.',
  ),
  stale_after_s: setting(
    whole(1, 86_400),
    660,
    'Seconds without telemetry after which a board that is online counts as stale. Below twice the telemetry.idle_interval_s of the boards, idle ones look stale.',
  ),
  request_timeout_s: setting(
    whole(1, 3600),
    15,
    'Seconds that a board may take to answer a request, before an action on it counts as timed out.',
  ),
  trusted_proxies: setting(
    addresses,
    [],
    'Addresses of reverse proxies that say who asks, in the headers `fleet.proxy_user_header` and `fleet.proxy_role_header`. From any other address these headers are ignored.',
  ),
  proxy_user_header: setting(
    pattern('the name of a header', (value) => /^[A-Za-z0-9-]{1,64}$/.test(value)),
    'x-forwarded-user',
    'Header in which a trusted proxy names the user.',
  ),
  proxy_role_header: setting(
    pattern('the name of a header', (value) => /^[A-Za-z0-9-]{1,64}$/.test(value)),
    'x-forwarded-role',
    'Header in which a trusted proxy says viewer, operator or admin; without it the user is a viewer.',
  ),
  metrics_token_file: setting(
    path(),
    '',
    'File that holds a bearer token which opens `GET /metrics` of the dashboard, for Prometheus; not readable by everybody (empty: metrics need a login like everything else).',
  ),
  tls: {
    cert_file: setting(
      path(),
      '',
      "PEM file of the dashboard's certificate; needs `fleet.tls.key_file` (empty: plain HTTP).",
    ),
    key_file: setting(
      path(),
      '',
      'PEM file of the private key of `fleet.tls.cert_file` (empty: none).',
    ),
  },
  retention: {
    raw_days: setting(
      real(0.04, 3650),
      7,
      'Days for which telemetry is kept as it came. The page may change it later; then the page wins.',
    ),
    minute_days: setting(real(0.04, 3650), 30, 'Days for which values by the minute are kept.'),
    hour_days: setting(real(1, 36_500), 730, 'Days for which values by the hour are kept.'),
    forget_days: setting(
      real(0, 3650),
      0,
      'Days after which a board that stays offline is forgotten with its history (0: never).',
    ),
  },
};
