import type { Overview } from '../../../protocol/fleet/index.ts';
import { f, t, tCode } from '../i18n/index.ts';
import { inOneLine } from '../lib/format.ts';
import { Empty, Fig, Panel, SeverityMark } from '../ui/parts.tsx';

/** Where answers are made, and what that costs. */
export function Share({ summary }: { summary: Overview }) {
  const { edge_total: edge, cloud_total: cloud } = summary;
  const total = edge + cloud;
  return (
    <Panel title={t('overview.share')} span={6}>
      {total === 0 ? (
        <Empty small title={t('overview.share.none')} />
      ) : (
        <>
          <div class="bar" aria-hidden="true">
            <span style={{ flexGrow: String(edge), background: 'var(--edge)' }} />
            <span style={{ flexGrow: String(cloud), background: 'var(--cloud)' }} />
          </div>
          <ul class="legend">
            <li>
              <span>
                <i class="swatch" style={{ background: 'var(--edge)' }} />
                {t('edge')}
                <span class="count">{f().number(edge, 0)}</span>
                <span class="muted">{inOneLine(f().percent(edge / total, 1))}</span>
              </span>
            </li>
            <li>
              <span>
                <i class="swatch" style={{ background: 'var(--cloud)' }} />
                {t('cloud')}
                <span class="count">{f().number(cloud, 0)}</span>
                <span class="muted">{inOneLine(f().percent(cloud / total, 1))}</span>
              </span>
            </li>
          </ul>
        </>
      )}
      <dl class="facts top-gap-small">
        {summary.costs.map(({ currency, cloud_cost, saved_cost }) => (
          <>
            <dt>{t('overview.money', { currency })}</dt>
            <dd>
              {t('overview.money.words', {
                cost: inOneLine(f().money(cloud_cost, currency)),
                saved: inOneLine(f().money(saved_cost, currency)),
              })}
            </dd>
          </>
        ))}
        <dt>{t('overview.messages')}</dt>
        <dd>
          <Fig of={{ value: f().number(summary.messages_per_s, 1), unit: '/s' }} />
        </dd>
        {summary.watts_unknown === 0 ? null : (
          <>
            <dt>{t('overview.unmeasured')}</dt>
            <dd>{t('n.boards', { n: summary.watts_unknown })}</dd>
          </>
        )}
      </dl>
    </Panel>
  );
}

/** What boards complain about, most of them first. */
export function Conditions({ summary }: { summary: Overview }) {
  const list = [...summary.health].sort((a, b) => b.boards - a.boards);
  return (
    <Panel title={t('overview.conditions')} span={6} flush>
      {list.length === 0 ? (
        <Empty small title={t('overview.conditions.none')} />
      ) : (
        <ul class="ranking">
          {list.slice(0, 9).map(({ code, severity, boards: count }) => (
            <li key={code}>
              <a href={`#/boards?q=health%3A${encodeURIComponent(code)}`}>
                <SeverityMark severity={severity} bare />
                {tCode('health', code)}
                <span class="count">{f().number(count, 0)}</span>
              </a>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

const PARTS = [
  { title: 'group.pool', field: 'by_pool', term: 'pool' },
  { title: 'group.profile', field: 'by_profile', term: 'profile' },
  { title: 'group.version', field: 'by_version', term: 'version' },
  { title: 'group.model', field: 'by_model', term: 'model' },
] as const;

const MOST_PARTS = 5;

/** Pools, profiles, versions and models, each a way into the table. */
export function Parts({ summary }: { summary: Overview }) {
  return (
    <Panel title={t('overview.parts')} flush>
      <div class="parts">
        {PARTS.map(({ title, field, term }) => {
          const all = Object.entries(summary[field]).sort(([, a], [, b]) => b - a);
          if (all.length === 0) return null;
          return (
            <section key={field}>
              <h3>{t(title)}</h3>
              <ul class="ranking">
                {all.slice(0, MOST_PARTS).map(([name, count]) => (
                  <li key={name}>
                    <a href={`#/boards?q=${encodeURIComponent(`${term}=${name}`)}`}>
                      <span class="cut">{name}</span>
                      <span class="count">{f().number(count, 0)}</span>
                    </a>
                  </li>
                ))}
                {all.length > MOST_PARTS ? (
                  <li class="muted more-parts">{t('andmore', { n: all.length - MOST_PARTS })}</li>
                ) : null}
              </ul>
            </section>
          );
        })}
      </div>
    </Panel>
  );
}
