import { sleep } from '../../core/index.ts';
import type { AlertRecord } from '../../protocol/fleet/index.ts';
import { SESSION_MS } from './accounts.ts';
import type { FleetParts } from './parts.ts';

const DAY_MS = 86_400_000;
const TICK_MS = 1000;
const LOOK_MS = 2000;
const SAVE_MS = 15_000;
const FLEET_SAMPLE_MS = 30_000;
const MAINTAIN_MS = 60_000;
const LEADER_MS = 5000;
/** Between two steps of a roll-up, so that writes and queries get in between. */
const BREATH_MS = 20;
/** Alerts, actions and roll-outs that are over are kept so long. */
const RECORD_DAYS = 90;

/**
 * What goes on by itself: stale boards, alerts, the page's overview, saved records, roll-ups, retention. A job
 * that still runs is not begun again; one that fails is logged and tried at its next turn. Of several servers
 * only the leading one evaluates alerts, rolls up and drops.
 */
export function startJobs(
  parts: FleetParts,
  { onLeads }: { onLeads: (leads: boolean) => void },
): { stop(): Promise<void> } {
  const { clock, logger, store, registry, events, alerts, overview } = parts;
  const running = new Set<Promise<void>>();
  const timers: { cancel(): void }[] = [];
  const stopping = new AbortController();

  const every = (periodMs: number, name: string, body: () => Promise<void> | void): void => {
    let busy = false;
    const timer = clock.setRepeating(periodMs, () => {
      if (busy || stopping.signal.aborted) return;
      busy = true;
      const work = (async () => body())()
        .catch((error: unknown) => logger.error({ job: name, error }, 'a job of the fleet failed'))
        .finally(() => {
          busy = false;
          running.delete(work);
        });
      running.add(work);
    });
    timers.push(timer);
  };

  const refreshLeads = async (): Promise<void> => onLeads(await store.leads());
  const saveRecords = async (): Promise<void> => {
    const dirty = registry.takeDirty();
    if (dirty.length > 0) await store.saveBoards(dirty);
  };

  every(TICK_MS, 'stale', () => registry.tick());
  every(LEADER_MS, 'leader', refreshLeads);
  every(SAVE_MS, 'records', saveRecords);
  let lastTold = '';
  every(LOOK_MS, 'overview', () => {
    const seq = registry.seq();
    if (events.listeners() === 0 || seq === lastTold) return;
    lastTold = seq;
    events.tell('overview', overview());
  });
  let alertsSeenMs = clock.wallMs();
  every(LOOK_MS, 'alerts', async () => {
    if (parts.leads()) {
      await alerts.evaluate();
      alertsSeenMs = clock.wallMs();
      return;
    }
    const news = await store.documents('alert', { sinceMs: alertsSeenMs });
    for (const { updatedMs, body } of news.reverse()) {
      alertsSeenMs = Math.max(alertsSeenMs, updatedMs);
      events.tell('alert', body as AlertRecord);
    }
  });
  every(FLEET_SAMPLE_MS, 'fleet sample', async () => {
    if (!parts.leads()) return;
    const now = overview();
    await store.writeFleet({
      tMs: Math.floor(clock.wallMs() / FLEET_SAMPLE_MS) * FLEET_SAMPLE_MS,
      online: now.boards.online + now.boards.draining,
      offline: now.boards.offline,
      stale: now.boards.stale,
      watts: now.watts,
      tokensPerS: now.tokens_per_s,
    });
  });
  every(MAINTAIN_MS, 'roll-ups and retention', async () => {
    if (!parts.leads()) return;
    const settings = await parts.settings();
    for (;;) {
      const { rolledUp } = await store.maintain(clock.wallMs(), settings);
      if (rolledUp === 0 || stopping.signal.aborted) break;
      await sleep(clock, BREATH_MS, stopping.signal);
    }
    const now = clock.wallMs();
    await store.expireDocuments('session', now - SESSION_MS);
    await store.expireDocuments('action', now - RECORD_DAYS * DAY_MS);
    await store.expireDocuments('rollout', now - RECORD_DAYS * DAY_MS);
    const firing = new Set((await alerts.list('firing', 100_000)).map(({ id }) => id));
    if (firing.size === 0) await store.expireDocuments('alert', now - RECORD_DAYS * DAY_MS);
    if (settings.forget_days === 0) return;
    for (const { node, status, status_since_ms: since } of registry.boards()) {
      if (status === 'offline' && now - since > settings.forget_days * DAY_MS) {
        await parts.forget(node);
      }
    }
  });
  void refreshLeads().catch(() => {});

  return {
    async stop() {
      stopping.abort();
      for (const timer of timers) timer.cancel();
      await Promise.all(running);
      await saveRecords();
    },
  };
}
