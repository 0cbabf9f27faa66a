import { useSignalEffect } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { f, t } from '../i18n/index.ts';
import { inOneLine } from '../lib/format.ts';
import { cellAt, gridOf, type MosaicGrid, shadeOf } from '../lib/mosaic.ts';
import { sortBoards } from '../lib/order.ts';
import type { Board } from '../lib/rows.ts';
import { boards, boardsVersion } from '../state/fleet.ts';
import { goTo } from '../state/place.ts';
import { colour, theme } from '../state/theme.ts';
import { lookText, Segmented } from '../ui/parts.tsx';

const HEIGHT = 190;

type Shading = 'heat' | 'power' | 'look';

/**
 * All boards at once, a cell each, in the order of their names so that a board keeps its place. For eyes
 * only: the list below it says the same to everybody else, and the table has every figure.
 */
export function Mosaic() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const grid = useRef<{ layout: MosaicGrid; cells: Board[] } | null>(null);
  const [shading, setShading] = useState<Shading>('heat');
  const [width, setWidth] = useState(0);
  const [pointed, setPointed] = useState<Board | null>(null);

  useEffect(() => {
    const element = canvas.current?.parentElement;
    if (!element) return () => {};
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const order = useRef<{ size: number; names: string[] }>({ size: -1, names: [] });

  const draw = (): void => {
    const element = canvas.current;
    const context = element?.getContext('2d');
    if (!element || !context || width === 0) return;
    if (order.current.size !== boards.size) {
      const sorted = sortBoards([...boards.values()], { key: 'node', descending: false });
      order.current = { size: boards.size, names: sorted.map(({ node }) => node) };
    }
    const cells = order.current.names.flatMap((node) => boards.get(node) ?? []);
    const layout = gridOf({ count: cells.length, width, height: HEIGHT });
    grid.current = { layout, cells };
    const ratio = devicePixelRatio;
    element.width = Math.round(width * ratio);
    element.height = Math.round(layout.height * ratio);
    element.style.width = `${width}px`;
    element.style.height = `${layout.height}px`;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, layout.height);
    paint(context, cells, layout, shading);
  };

  useEffect(draw, [width, shading]);
  useSignalEffect(() => {
    void boardsVersion.value;
    void theme.value;
    requestAnimationFrame(draw);
  });

  const find = (event: MouseEvent): Board | null => {
    const now = grid.current;
    if (now === null) return null;
    const index = cellAt(now.layout, event.offsetX, event.offsetY);
    return now.cells[index] ?? null;
  };

  return (
    <div class="mosaic">
      <div class="mosaic-head">
        <Segmented
          label={t('mosaic.by')}
          value={shading}
          options={[
            { value: 'heat', text: t('mosaic.heat') },
            { value: 'power', text: t('mosaic.power') },
            { value: 'look', text: t('mosaic.look') },
          ]}
          onChange={setShading}
        />
        <span class="muted mosaic-word" aria-hidden="true">
          {pointed === null ? t('mosaic.hint') : wordsOf(pointed)}
        </span>
      </div>
      <div class="mosaic-field">
        <canvas
          ref={canvas}
          aria-hidden="true"
          onMouseMove={(event) => setPointed(find(event))}
          onMouseLeave={() => setPointed(null)}
          onClick={(event) => {
            const board = find(event);
            if (board !== null) goTo('boards', board.node);
          }}
        />
      </div>
      <div class="mosaic-scale" aria-hidden="true">
        {shading === 'look' ? null : (
          <>
            <span>{t(shading === 'heat' ? 'mosaic.cool' : 'mosaic.idle')}</span>
            <i class={shading} />
            <span>{t(shading === 'heat' ? 'mosaic.limit' : 'mosaic.budget')}</span>
          </>
        )}
      </div>
    </div>
  );
}

const wordsOf = (board: Board): string =>
  [
    board.node,
    lookText(board.look),
    inOneLine(f().celsius(board.soc_c)),
    inOneLine(f().watts(board.watts)),
  ].join(' · ');

function paint(
  context: CanvasRenderingContext2D,
  cells: readonly Board[],
  { size, gap, columns }: MosaicGrid,
  shading: Shading,
): void {
  const cold = colour('cold');
  const hot = colour(shading === 'heat' ? 'heat' : 'power');
  const tones = {
    bad: colour('bad'),
    warn: colour('warn'),
    info: colour('info'),
    live: colour('tokens'),
    ok: cold,
  };
  const line = colour('line-strong');
  const ink = colour('text');
  const side = size - gap;
  cells.forEach((board, index) => {
    const x = (index % columns) * size;
    const y = Math.floor(index / columns) * size;
    const { tone, share, hollow, marked } = shadeOf(board, shading);
    if (hollow) {
      // An outline: not there is not the same as cold.
      context.strokeStyle = line;
      context.lineWidth = 1;
      context.strokeRect(x + 0.5, y + 0.5, Math.max(1, side - 1), Math.max(1, side - 1));
      return;
    }
    context.fillStyle = tone === null ? cold : tones[tone];
    context.fillRect(x, y, side, side);
    if (tone === null && share > 0) {
      context.globalAlpha = share;
      context.fillStyle = hot;
      context.fillRect(x, y, side, side);
      context.globalAlpha = 1;
    }
    if (marked && side >= 4) {
      context.fillStyle = ink;
      const dot = Math.max(2, Math.round(side / 3));
      const inset = Math.floor((side - dot) / 2);
      context.fillRect(x + inset, y + inset, dot, dot);
    }
  });
}
