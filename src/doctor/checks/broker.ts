import * as v from 'valibot';
import { HEALTH_CODES, type HealthCode } from '../../protocol/index.ts';
import type { BrokerFacts, Outcomes } from '../facts.ts';
import type { Verdict } from '../finding.ts';
import { check, factsOf, fail, note, ok, warn } from './check.ts';
import { HEALTH_ADVICE } from './health-advice.ts';

const daemonRuns = (all: Outcomes): boolean =>
  factsOf(all, 'storage')?.journal.state === 'open' ||
  factsOf(all, 'service')?.systemd?.active === 'active';

function judgeReachable({ embedded, look }: BrokerFacts, all: Outcomes): Verdict {
  if (look.ok) {
    const server = look.server === null ? '' : `, ${look.server}`;
    if (look.protocol === 5) return ok(`${look.where} answers in MQTT 5${server}`);
    const text = `${look.where} answers in MQTT 3.1.1${server}`;
    if (embedded && daemonRuns(all)) return ok(`${text} (the daemon’s own)`);
    if (embedded) {
      return warn(
        `${text}, though the daemon, whose own broker should be there, is not seen to run`,
        'Another broker has the port; use that one, or give the embedded one another port.',
        'mqtt: { embedded: true, embedded_port: 1884 }',
      );
    }
    return note(`${text}: no shared pools and no message expiry`);
  }
  if (embedded && look.unreachable && !daemonRuns(all)) {
    return note(`embedded: the daemon brings it along at ${look.where}, and is not running`);
  }
  if (look.unreachable) {
    return {
      status: 'fail',
      unreachable: true,
      detail: look.message,
      advice: 'Start the broker, or set mqtt.url to where it is.',
      run: 'mqtt: { url: "mqtt://HOST:1883" }',
    };
  }
  return fail(
    look.message,
    'Correct mqtt.url, mqtt.username, mqtt.password_file or mqtt.tls.* as it says.',
    'twowatt config',
  );
}

const stateSchema = v.object({
  state: v.picklist(['online', 'draining', 'offline']),
  since: v.nullable(v.string()),
});

const healthSchema = v.array(
  v.object({
    code: v.picklist(HEALTH_CODES),
    severity: v.picklist(['info', 'warning', 'error']),
    text: v.string(),
  }),
);

/** Retained payloads are anybody's words: what does not have the form is as good as absent. */
function parse<Schema extends v.GenericSchema>(
  schema: Schema,
  payload: string | null,
): v.InferOutput<Schema> | null {
  if (payload === null) return null;
  try {
    const result = v.safeParse(schema, JSON.parse(payload));
    return result.success ? result.output : null;
  } catch {
    return null;
  }
}

function judgeNode({ look }: BrokerFacts, all: Outcomes): Verdict {
  if (!look.ok) return null;
  const node = factsOf(all, 'config')?.node ?? '';
  const state = parse(stateSchema, look.retained.state);
  const since = state?.since === null || state === null ? '' : ` since ${state.since}`;
  if (state?.state === 'online') return ok(`${node} is online${since}`);
  if (state?.state === 'draining') {
    return note(`${node} is draining${since}: it finishes what runs and takes nothing new`);
  }
  const what = state === null ? 'was never seen by this broker' : `is offline${since}`;
  if (daemonRuns(all)) {
    return warn(
      `${node} ${what}, though a daemon runs here`,
      'It may be connected to another broker or under another id; its log says which.',
      'journalctl -u twowatt -n 50',
    );
  }
  return note(`${node} ${what}: the daemon does not run`, 'Start it.', startCommand(all));
}

const startCommand = (all: Outcomes): string =>
  factsOf(all, 'service')?.systemd?.load === 'loaded'
    ? 'sudo systemctl start twowatt'
    : 'twowatt run';

const SEVERITIES = { error: fail, warning: warn, info: note } as const;

function judgeHealth({ look }: BrokerFacts): Verdict {
  if (!look.ok) return null;
  const conditions = parse(healthSchema, look.retained.health);
  if (conditions === null) return null;
  const list = conditions.map(({ code, text }) => `${code}: ${text}`).join('; ');
  const online = parse(stateSchema, look.retained.state)?.state !== 'offline';
  if (conditions.length === 0) return online ? ok('the daemon reports nothing wrong') : null;
  if (!online) return note(`before it went offline the daemon said: ${list}`);
  const worst =
    conditions.find(({ severity }) => severity === 'error') ??
    conditions.find(({ severity }) => severity === 'warning');
  if (worst === undefined) return note(list);
  const { advice, run } = HEALTH_ADVICE[worst.code satisfies HealthCode];
  return SEVERITIES[worst.severity](list, advice, run);
}

export const brokerChecks = [
  check('broker', { id: 'broker.reachable', group: 'broker', title: 'Broker' }, judgeReachable),
  check('broker', { id: 'broker.node', group: 'broker', title: 'This node' }, judgeNode),
  check('broker', { id: 'broker.health', group: 'broker', title: 'Health' }, judgeHealth),
];
