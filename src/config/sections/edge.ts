import * as v from 'valibot';
import { choice, flag, path, pattern, real, shaped, text, whole } from '../kinds.ts';
import { setting } from '../setting.ts';

const levelName = (value: string) => value.length <= 128 && /^[A-Za-z0-9._-]+$/.test(value);

const nodeId = pattern(
  '1 to 128 characters of A-Z a-z 0-9 . _ - (and not "pool")',
  (value) => levelName(value) && value !== 'pool',
  { optional: true },
);

const baseTopic = pattern(
  'topic levels without + # and blanks, not starting with $ or ending in /',
  (value) => value.length <= 256 && /^[^$/\s+#][^\s+#]*$/.test(value) && !value.endsWith('/'),
);

function brokerUrlAccepted(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  return /^mqtts?:$/.test(url.protocol) && url.hostname !== '' && url.password === '';
}

const brokerUrl = pattern(
  'a URL of scheme mqtt or mqtts without a password in it (use mqtt.password_file)',
  brokerUrlAccepted,
);

const pools = shaped(
  'a list of pool names such as ["kitchen"]',
  v.pipe(
    v.array(
      v.pipe(
        v.string('expected text'),
        v.check(levelName, 'expected 1 to 128 characters of A-Z a-z 0-9 . _ -'),
      ),
    ),
    v.maxLength(32),
  ),
);

const PORT = whole(1, 65_535);
const live = { live: true, remote: true };
const remote = { remote: true };

export const node = {
  id: setting(
    nodeId,
    '',
    "This board's name in topics and frames (empty: the host name and four hex digits of the machine id). Two live nodes of one id disturb each other.",
    remote,
  ),
  state_folder: setting(
    path('a folder'),
    '',
    'Folder for everything that must survive a restart (empty: `$STATE_DIRECTORY` as systemd sets it, else `/var/lib/twowatt` if that is there and writable, else `~/.local/state/twowatt`).',
  ),
};

export const mqtt = {
  url: setting(
    brokerUrl,
    'mqtt://127.0.0.1:1883',
    'The broker. Not used while `mqtt.embedded` is on.',
    { sensitive: true },
  ),
  base_topic: setting(baseTopic, 'twowatt/v1', 'First levels of every topic.'),
  tls: {
    ca_file: setting(
      path(),
      '',
      "PEM file of the authority that signed the broker's certificate (empty: the system's authorities).",
    ),
    cert_file: setting(
      path(),
      '',
      'PEM file of the client certificate; needs `mqtt.tls.key_file` (empty: none).',
    ),
    key_file: setting(
      path(),
      '',
      'PEM file of the private key of `mqtt.tls.cert_file` (empty: none).',
    ),
  },
  username: setting(text(256), '', 'User name at the broker (empty: anonymous).'),
  password_file: setting(
    path(),
    '',
    'File that holds the password at the broker, not readable by everybody; a name without a slash is looked for in `$CREDENTIALS_DIRECTORY` first (empty: no password).',
  ),
  keepalive_s: setting(
    whole(5, 3600),
    60,
    'Seconds between pings. A broker publishes the Last Will after one and a half of these without a sign of life.',
  ),
  session_expiry_s: setting(
    whole(0, 31_536_000),
    86_400,
    'Seconds for which the broker keeps the session, and with it prompts for this node, while the daemon is away. 0 loses them.',
  ),
  receive_maximum: setting(
    whole(1, 65_535),
    16,
    'Prompts that the broker may send before the first is acknowledged, that is, on disk.',
  ),
  pools: setting(
    pools,
    [],
    'Pools whose prompts this node shares with others, as a list of names.',
  ),
  embedded: setting(
    flag,
    false,
    'Run a broker inside the daemon (MQTT 3.1.1 only, no passwords, loopback only) and use it: for trials on one machine.',
  ),
  embedded_port: setting(PORT, 1883, 'TCP port of the embedded broker on 127.0.0.1.'),
};

export const hostNames = shaped(
  'a list of host names such as ["board.example"]',
  v.pipe(
    v.array(
      v.pipe(
        v.string('expected text'),
        v.check(
          (value) => /^[A-Za-z0-9.-]{1,253}$/.test(value),
          'expected a host name without port',
        ),
      ),
    ),
    v.maxLength(32),
  ),
);

export const http = {
  enabled: setting(flag, true, 'Serve the OpenAI-compatible API, metrics and events over HTTP.'),
  host: setting(
    pattern('a host name or an IP address', (value) => /^[A-Za-z0-9.:-]{1,253}$/.test(value)),
    '127.0.0.1',
    'Address to listen on. Any other than loopback needs `http.token_file`.',
  ),
  port: setting(whole(0, 65_535), 8470, 'TCP port (0: any free one).'),
  token_file: setting(
    path(),
    '',
    'File that holds the bearer token which clients must send, not readable by everybody (empty: no token).',
  ),
  allowed_hosts: setting(
    hostNames,
    [],
    'Names besides localhost by which clients may call a loopback address, for a reverse proxy on the board. Any other Host is refused, so that web pages cannot reach the board through DNS rebinding.',
  ),
  requests_per_minute: setting(
    whole(0, 1_000_000),
    600,
    'Requests that one client address may make in a minute; further ones are refused with `rate_limited` (0: no limit).',
  ),
};

export const queue = {
  path: setting(
    path(),
    '',
    'SQLite file of the journal of prompts and answers (empty: `queue.sqlite` in `node.state_folder`).',
  ),
  max_depth: setting(
    whole(1, 100_000),
    256,
    'Prompts that may wait or run; further ones are refused with `queue_full`.',
    remote,
  ),
  max_bytes: setting(
    whole(65_536, 1_073_741_824),
    8_388_608,
    'Bytes of prompts that may wait or run; further ones are refused with `queue_full`.',
    remote,
  ),
  max_payload_bytes: setting(
    whole(256, 16_777_216),
    65_536,
    'Largest prompt, bytes; larger ones are refused with `payload_too_large`.',
    remote,
  ),
  dedupe_window_s: setting(
    whole(0, 604_800),
    3600,
    'Seconds after its answer for which the same prompt (reply topic, id and body) gets the stored answer again.',
    remote,
  ),
  retention_s: setting(
    whole(0, 31_536_000),
    86_400,
    'Seconds for which answers and sessions stay on disk after their last use; an answer that no broker has taken yet stays as long. Shorter than `queue.dedupe_window_s` it shortens that too.',
    remote,
  ),
};

/** Sparkplug B 3.0, section 4.1: an id is one topic level. */
const sparkplugId = (optional?: { optional: boolean }) =>
  pattern(
    '1 to 128 characters without + # and /',
    (value) => value.length <= 128 && /^[^+#/\s][^+#/]*$/.test(value),
    optional,
  );

export const telemetry = {
  interval_s: setting(
    whole(1, 86_400),
    30,
    'Seconds between messages while prompts run or wait.',
    live,
  ),
  idle_interval_s: setting(
    whole(1, 86_400),
    300,
    'Seconds between messages while nothing runs.',
    live,
  ),
  min_interval_s: setting(
    real(0.2, 3600),
    2,
    'Fewest seconds between two messages when values change early (never more than the interval). Lower costs more traffic.',
    live,
  ),
  offline_max_bytes: setting(
    whole(0, 67_108_864),
    262_144,
    'Bytes of messages that are kept while there is no broker, to be sent later (0: none). When they are full, every absence is remembered more coarsely.',
    live,
  ),
  offline_max_age_s: setting(
    whole(0, 2_592_000),
    86_400,
    'Seconds after which a message that no broker has taken is given up.',
    live,
  ),
  home_assistant: {
    enabled: setting(
      flag,
      false,
      'Announce this board to Home Assistant through its MQTT discovery; switched off again, the board is removed there.',
      remote,
    ),
    discovery_prefix: setting(
      baseTopic,
      'homeassistant',
      'First levels of the topics on which Home Assistant looks for devices, as set in its MQTT integration.',
      remote,
    ),
  },
  sparkplug: {
    enabled: setting(
      flag,
      false,
      'Be a Sparkplug B edge node as well, on a connection of its own to the same broker.',
      remote,
    ),
    group_id: setting(sparkplugId(), 'twowatt', 'Group of the edge node.', remote),
    edge_node_id: setting(
      sparkplugId({ optional: true }),
      '',
      'Name of the edge node (empty: `node.id`).',
      remote,
    ),
  },
};

const collectorUrl = pattern(
  'an http or https URL without a password in it (use tracing.headers_file)',
  (value) => {
    if (!URL.canParse(value)) return false;
    const url = new URL(value);
    return /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
  },
  { optional: true },
);

export const tracing = {
  endpoint: setting(
    collectorUrl,
    '',
    'OpenTelemetry collector that gets the way of each prompt as a trace, without its text: OTLP over HTTP with JSON, for example `http://127.0.0.1:4318` (path `/v1/traces` where none is given) (empty: no traces, and none of their code is loaded).',
    { sensitive: true },
  ),
  headers_file: setting(
    path(),
    '',
    'File of HTTP headers for the collector, one `name: value` a line, for keys and tokens; not readable by everybody, a name without a slash is looked for in `$CREDENTIALS_DIRECTORY` first (empty: none).',
  ),
  sample_ratio: setting(
    real(0, 1),
    1,
    'Share of the prompts that are traced. Where the client sent a `traceparent`, its flag decides.',
  ),
};

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** Rooms that log; `daemon` is what the others are put together by. */
const LOG_ROOMS = 'daemon service queue engine governor hardware mqtt broker http cloud'.split(' ');

const roomLevels = shaped(
  `an object such as {"engine":"debug"} of rooms (${LOG_ROOMS.join(', ')}) and levels`,
  v.partial(v.strictObject(v.entriesFromList(LOG_ROOMS, v.picklist(LOG_LEVELS)))),
);

export const log = {
  level: setting(choice(...LOG_LEVELS), 'info', 'Least severe messages that are logged.', live),
  levels: setting(
    roomLevels,
    {},
    'The same for single rooms (field `room` of each line), which then do not follow `log.level`.',
    live,
  ),
  prompts: setting(
    flag,
    false,
    'Write prompts and answers to the log, for the search of a fault. They may hold private things.',
    {
      ...live,
      refuseRemote: (_current, wanted) =>
        wanted ? 'prompts are only let into the log on the board itself' : undefined,
    },
  ),
};
