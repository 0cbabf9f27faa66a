import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { scrollToShow, visibleWindow } from '../lib/window.ts';

const OVERSCAN = 4;
const HEAD_HEIGHT = 30;
/** Jumps of more than half a screen that follow each other faster than this are not read, only passed. */
const HASTE_MS = 100;

/**
 * A grid of any number of rows of which only those in view exist. The focus stays on the grid; the
 * active row is told by `aria-activedescendant`, since a row that scrolls away would take it along.
 */
export function VirtualGrid(props: {
  label: string;
  count: number;
  columns: number;
  /** Value of `grid-template-columns`, and the least width that it needs. */
  template: string;
  width: string;
  rowHeight: number;
  active: number;
  head: ComponentChildren;
  /**
   * `slot` names one of as many places as are drawn: a row that scrolls in takes over one that left. `hasty`
   * says that the next rows will be others: then what names the row is enough.
   */
  row: (index: number, top: number, slot: string, hasty: boolean) => ComponentChildren;
  rowId: (index: number) => string;
  onKey: (event: KeyboardEvent, page: number) => void;
}) {
  const { count, rowHeight, active } = props;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ scrollTop: 0, height: 600, hasty: false });
  const last = useRef({ scrollTop: 0, jumpedAtMs: -Infinity });

  const measure = (): void => {
    const element = box.current;
    if (element === null) return;
    const { scrollTop, clientHeight: height } = element;
    const jumps = Math.abs(scrollTop - last.current.scrollTop) > height / 2;
    const nowMs = performance.now();
    const hasty = jumps && nowMs - last.current.jumpedAtMs < HASTE_MS;
    last.current = { scrollTop, jumpedAtMs: jumps ? nowMs : last.current.jumpedAtMs };
    setView((before) =>
      before.scrollTop === scrollTop && before.height === height
        ? before
        : { scrollTop, height, hasty },
    );
  };
  useEffect(() => {
    if (!view.hasty) return undefined;
    const rest = setTimeout(() => setView((now) => ({ ...now, hasty: false })), HASTE_MS);
    return () => clearTimeout(rest);
  }, [view]);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    element.style.setProperty('--columns', props.template);
    element.style.setProperty('--table-width', props.width);
    element.style.setProperty('--row', `${rowHeight}px`);
  }, [props.template, props.width, rowHeight]);

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);

  const shownFor = useRef(active);
  useEffect(() => {
    const element = box.current;
    if (element === null || shownFor.current === active) return;
    shownFor.current = active;
    element.scrollTop = scrollToShow({
      index: active,
      scrollTop: element.scrollTop,
      viewHeight: element.clientHeight - HEAD_HEIGHT,
      rowHeight,
    });
  }, [active]);

  const { first, end } = visibleWindow({
    scrollTop: view.scrollTop,
    viewHeight: view.height,
    rowHeight,
    count,
    overscan: OVERSCAN,
  });
  const slots = Math.ceil(view.height / rowHeight) + 2 * OVERSCAN + 1;
  // Rows stay where they are in the document and only change places on the screen: moving elements costs
  // more than what is in them. `aria-rowindex` tells their order.
  const drawn = Array.from({ length: slots }, (): ComponentChildren => null);
  for (let index = first; index < end; index += 1) {
    drawn[index % slots] = props.row(index, index * rowHeight, `slot ${index % slots}`, view.hasty);
  }
  const activeDrawn = active >= first && active < end;

  return (
    <div
      ref={box}
      class="vt"
      role="grid"
      tabIndex={0}
      aria-label={props.label}
      aria-rowcount={count + 1}
      aria-colcount={props.columns}
      aria-multiselectable="true"
      {...(activeDrawn ? { 'aria-activedescendant': props.rowId(active) } : {})}
      onScroll={measure}
      onKeyDown={(event) => {
        if (event.target === event.currentTarget) {
          props.onKey(event, Math.max(1, Math.floor((view.height - HEAD_HEIGHT) / rowHeight) - 1));
        }
      }}
    >
      {props.head}
      <div class="vt-body" role="rowgroup" style={{ height: `${count * rowHeight}px` }}>
        {drawn}
      </div>
    </div>
  );
}
