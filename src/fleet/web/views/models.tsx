import type { BoardModelsResponse } from '../../../protocol/fleet/index.ts';
import { f, t } from '../i18n/index.ts';
import { inOneLine } from '../lib/format.ts';
import { Empty } from '../ui/parts.tsx';

/** What of a model the boards of this version and the next may tell; every field may be missing. */
type ModelLike = {
  id?: unknown;
  digest?: unknown;
  form?: unknown;
  slot?: unknown;
  bytes?: unknown;
  active?: unknown;
  state?: unknown;
};

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

function idOf(model: unknown): string {
  return typeof model === 'object' && model !== null ? text((model as ModelLike).id) : text(model);
}

/** The models of a board with the slots that they lie in; the active one first. */
export function Models({ answer }: { answer: BoardModelsResponse }) {
  const active = idOf(answer.active);
  const list = answer.models.map((model) =>
    typeof model === 'object' && model !== null ? (model as ModelLike) : { id: model },
  );
  if (list.length === 0 && active === '') return <Empty small title={t('models.none')} />;
  const rows =
    list.some((model) => idOf(model) === active) || active === ''
      ? list
      : [answer.active as ModelLike, ...list];
  return (
    <table class="plain">
      <thead>
        <tr>
          <th>{t('column.model')}</th>
          <th>{t('models.slot')}</th>
          <th class="right">{t('models.size')}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((model, index) => {
          const id = idOf(model);
          const now = model.active === true || (model.active === undefined && id === active);
          return (
            <tr key={`${id}${index}`}>
              <td>
                <span class="mono">{id}</span>
                {now ? <span class="tag live">{t('models.active')}</span> : null}
                <div class="muted mono cut">
                  {[text(model.form), text(model.digest).slice(0, 19)].filter(Boolean).join(' · ')}
                </div>
              </td>
              <td>{text(model.slot) || text(model.state) || '–'}</td>
              <td class="right">
                {typeof model.bytes === 'number' ? inOneLine(f().bytes(model.bytes)) : '–'}
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
