import { t } from '../i18n/index.ts';
import { linkState, lostSince } from '../state/feed.ts';
import { tick } from '../state/tick.ts';
import { Glyph } from '../ui/glyph.tsx';

/** From here on a lost connection is told as lost, not as a hiccup. */
const PATIENCE_S = 10;

export function LinkState() {
  const state = linkState.value;
  void tick.value;
  if (state === 'live') {
    return (
      <span class="link-state" role="status">
        <span class="look tone-live">
          <Glyph shape="dot" />
        </span>
        {t('link.live')}
      </span>
    );
  }
  const since = lostSince.value;
  const seconds = since === null ? 0 : (Date.now() - since) / 1000;
  const lost = state === 'stopped' || seconds > PATIENCE_S;
  return (
    <span class={`link-state ${lost ? 'lost' : 'trying'}`} role="status">
      <Glyph shape={lost ? 'cross' : 'brokenRing'} />
      {state === 'connecting' ? t('link.connecting') : t('link.reconnecting')}
    </span>
  );
}
