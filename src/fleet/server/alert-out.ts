import { type Clock, type Logger, sleep } from '../../core/index.ts';
import type { AlertRecord, AlertRule } from '../../protocol/fleet/index.ts';

const TIMEOUT_MS = 10_000;
const TRIES = 4;
const FIRST_WAIT_MS = 2000;
/** A webhook that is down while a thousand alerts begin must not fill the memory. */
const MOST_WAITING = 1000;

export type AlertOut = { send(alert: AlertRecord, rule: AlertRule): void };

/** Alerts to the world outside, one after the other; what fails four times is logged and given up. */
export function createAlertOut(options: {
  base: string;
  clock: Clock;
  logger: Logger;
  publish: (topic: string, payload: string) => Promise<boolean>;
}): AlertOut {
  const { clock, logger } = options;
  let waiting = 0;
  let queue = Promise.resolve();

  const post = async (url: string, body: string): Promise<void> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const response = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
          redirect: 'error',
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        await response.body?.cancel();
        if (response.ok) return;
        throw new Error(`it answered ${response.status}`);
      } catch (error) {
        if (attempt === TRIES) {
          logger.error({ error: String(error) }, 'a webhook did not take an alert');
          return;
        }
        await sleep(clock, FIRST_WAIT_MS * 4 ** (attempt - 1));
      }
    }
  };

  return {
    send(alert, rule) {
      const body = JSON.stringify(alert);
      if (rule.mqtt) {
        const refused = () => logger.warn({ rule: rule.id }, 'the broker did not take an alert');
        options
          .publish(`${options.base}/fleet/alert/${rule.id}`, body)
          .then((taken) => (taken ? undefined : refused()))
          .catch(refused);
      }
      const url = rule.webhook_url;
      if (url === null) return;
      if (waiting >= MOST_WAITING) {
        logger.error({ rule: rule.id }, 'too many alerts wait for webhooks; one is left out');
        return;
      }
      waiting += 1;
      queue = queue
        .then(() => post(url, body))
        .finally(() => {
          waiting -= 1;
        });
    },
  };
}
