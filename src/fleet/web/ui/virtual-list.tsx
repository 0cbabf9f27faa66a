import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { scrollToShow, visibleWindow } from '../lib/window.ts';

const OVERSCAN = 4;
const HEAD_HEIGHT = 30;

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
  /** `slot` names one of as many places as are drawn: a row that scrolls in takes over one that left. */
  row: (index: number, top: number, slot: string) => ComponentChildren;
  rowId: (index: number) => string;
  onKey: (event: KeyboardEvent, page: number) => void;
}) {
  const { count, rowHeight, active } = props;
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ scrollTop: 0, height: 600 });

  const measure = (): void => {
    const element = box.current;
    if (element === null) return;
    const { scrollTop, clientHeight } = element;
    setView((before) =>
      before.scrollTop === scrollTop && before.height === clientHeight
        ? before
        : { scrollTop, height: clientHeight },
    );
  };

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
    drawn[index % slots] = props.row(index, index * rowHeight, `slot ${index % slots}`);
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
