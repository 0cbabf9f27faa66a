import { useMemo, useState } from 'preact/hooks';
import { t } from '../i18n/index.ts';
import { extend, NOTHING, toggle, toggleAll } from '../lib/selection.ts';
import { boards, boardsLoaded, boardsVersion, loadProblem, start } from '../state/fleet.ts';
import { goTo, setQuery } from '../state/place.ts';
import { folded, selection, table } from '../state/table.ts';
import { Empty, Loading, Problem } from '../ui/parts.tsx';
import { useNarrow } from '../ui/use-narrow.ts';
import { VirtualGrid } from '../ui/virtual-list.tsx';
import { BoardsFoot } from './boards-foot.tsx';
import { BoardLine, GroupLine, Head } from './boards-lines.tsx';
import { BoardsTools } from './boards-tools.tsx';
import { layoutOf, NARROW_COLUMNS, WIDE_COLUMNS } from './columns.tsx';

const WIDE_ROW = 28;
const NARROW_ROW = 48;

export function BoardsView() {
  const narrow = useNarrow();
  const columns = narrow ? NARROW_COLUMNS : WIDE_COLUMNS;
  const layout = useMemo(() => layoutOf(columns), [columns]);
  const [active, setActive] = useState(0);
  const { lines, shown } = table.value;
  // Newest figures: the order is older than the rows by up to two seconds.
  void boardsVersion.value;
  const at = Math.min(active, Math.max(0, lines.length - 1));

  const fold = (name: string): void => {
    const next = new Set(folded.value);
    if (!next.delete(name)) next.add(name);
    folded.value = next;
  };

  const onPick = useMemo(
    () =>
      (event: MouseEvent, id: string, index: number): void => {
        setActive(index);
        const target = event.target instanceof Element ? event.target : null;
        if (target?.closest('a') !== null && !event.shiftKey) return;
        if (event.shiftKey) selection.value = extend(selection.value, id, table.value.shown);
        else if (target?.closest('[data-pick]') !== null || event.ctrlKey || event.metaKey) {
          selection.value = toggle(selection.value, id);
        }
      },
    [],
  );

  const onKey = (event: KeyboardEvent, page: number): void => {
    const line = lines[at];
    const move = (to: number): void => {
      const next = Math.max(0, Math.min(lines.length - 1, to));
      if (event.shiftKey && line?.kind === 'board') {
        if (selection.value.anchor === null)
          selection.value = toggle(selection.value, line.board.node);
        const target = lines[next];
        if (target?.kind === 'board') {
          selection.value = extend(selection.value, target.board.node, shown);
        }
      }
      setActive(next);
    };
    const keys: Record<string, () => void> = {
      ArrowDown: () => move(at + 1),
      ArrowUp: () => move(at - 1),
      PageDown: () => move(at + page),
      PageUp: () => move(at - page),
      Home: () => move(0),
      End: () => move(lines.length - 1),
      Enter: () =>
        line?.kind === 'group' ? fold(line.name) : line && goTo('boards', line.board.node),
      ' ': () => {
        if (line?.kind === 'group') fold(line.name);
        else if (line) selection.value = toggle(selection.value, line.board.node);
      },
      Escape: () => {
        selection.value = NOTHING;
      },
    };
    if ((event.ctrlKey || event.metaKey) && event.key === 'a') {
      selection.value = toggleAll({ ids: new Set(), anchor: null }, shown);
      event.preventDefault();
      return;
    }
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  };

  if (!boardsLoaded.value) {
    return loadProblem.value === null ? (
      <Loading lines={12} />
    ) : (
      <Problem text={loadProblem.value} onRetry={() => void start()} />
    );
  }
  if (boards.size === 0) return <Empty title={t('boards.none')} text={t('boards.none.text')} />;

  return (
    <div class="boards">
      <h1 class="hidden-text">{t('nav.boards')}</h1>
      <BoardsTools />
      {lines.length === 0 ? (
        <Empty title={t('boards.nomatch')} text={t('boards.search.help')}>
          <button type="button" class="button" onClick={() => setQuery({})}>
            {t('boards.clear')}
          </button>
        </Empty>
      ) : (
        <VirtualGrid
          label={t('boards.table')}
          count={lines.length}
          columns={columns.length + 1}
          template={layout.template}
          width={layout.width}
          rowHeight={narrow ? NARROW_ROW : WIDE_ROW}
          active={at}
          head={<Head columns={columns} />}
          rowId={(index) => `row-${index}`}
          onKey={onKey}
          row={(index, top, slot, hasty) => {
            const line = lines[index];
            if (line === undefined) return null;
            if (line.kind === 'group') {
              return (
                <GroupLine
                  key={slot}
                  line={line}
                  index={index}
                  top={top}
                  active={index === at}
                  columns={columns.length + 1}
                  onFold={() => {
                    setActive(index);
                    fold(line.name);
                  }}
                />
              );
            }
            return (
              <BoardLine
                key={slot}
                board={boards.get(line.board.node) ?? line.board}
                columns={columns}
                index={index}
                top={top}
                hasty={hasty}
                active={index === at}
                chosen={selection.value.ids.has(line.board.node)}
                onPick={onPick}
              />
            );
          }}
        />
      )}
      <BoardsFoot />
    </div>
  );
}
