import type { Offender } from '../../../protocol/fleet/index.ts';
import { f, t, tCode } from '../i18n/index.ts';
import { inOneLine } from '../lib/format.ts';
import { boards, serverNow } from '../state/fleet.ts';
import { tick } from '../state/tick.ts';
import { Empty, LookMark, Panel } from '../ui/parts.tsx';

/** The figure that makes a board an offender, with what it is measured against. */
function offence({ node, reason, code, value, limit }: Offender): string {
  switch (reason) {
    case 'health':
      return tCode('health', code);
    case 'hot':
      return t('offence.hot', {
        value: inOneLine(f().celsius(value)),
        limit: inOneLine(f().celsius(limit)),
      });
    case 'over_budget':
      return t('offence.over_budget', {
        value: inOneLine(f().watts(value)),
        limit: inOneLine(f().watts(limit)),
      });
    case 'queue':
      return t('offence.queue', { value: f().number(value ?? 0, 0) });
    case 'clock':
      return t('offence.clock', { value: inOneLine(f().milliseconds(value)) });
    case 'throttled':
      return t('offence.throttled');
    case 'offline':
    case 'stale': {
      const since = boards.get(node)?.status_since_ms ?? serverNow();
      return t(`offence.${reason}`, { age: f().duration((serverNow() - since) / 1000) });
    }
  }
}

/** The boards that need somebody, worst first. */
export function Worst({ worst }: { worst: readonly Offender[] }) {
  void tick.value;
  return (
    <Panel
      title={t('overview.worst')}
      span={5}
      flush
      end={worst.length === 0 ? '' : t('overview.worst.note')}
    >
      {worst.length === 0 ? (
        <Empty small title={t('overview.worst.none')} text={t('overview.worst.none.text')} />
      ) : (
        <ol class="worst">
          {worst.slice(0, 12).map((offender) => {
            const board = boards.get(offender.node);
            return (
              <li key={offender.node}>
                <a href={`#/boards/${encodeURIComponent(offender.node)}`}>
                  <LookMark look={board?.look ?? 'unknown'} />
                  <span class="board-name">{offender.node}</span>
                  <span class="muted why">{offence(offender)}</span>
                  <span class="muted cut pools">{board?.pools.join(', ')}</span>
                </a>
              </li>
            );
          })}
        </ol>
      )}
    </Panel>
  );
}
