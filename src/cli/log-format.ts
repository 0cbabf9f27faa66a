import { painter } from './terminal.ts';

const LEVEL_STYLE = { debug: 'dim', info: 'green', warn: 'yellow', error: 'red' } as const;

function fieldText(value: unknown): string {
  if (typeof value === 'string') return /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value);
  if (typeof value === 'object' && value !== null && 'message' in value) {
    return JSON.stringify(value.message);
  }
  return JSON.stringify(value);
}

/** One JSON log line as a person reads it: time of day, level, message, then the fields. */
export function readableLogLine(
  line: string,
  paint: (style: 'dim' | 'green' | 'yellow' | 'red', text: string) => string,
): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { time, level, msg, ...fields } = entry;
  const style = LEVEL_STYLE[level as keyof typeof LEVEL_STYLE] ?? 'dim';
  const clock = typeof time === 'string' ? time.slice(11, 19) : '--:--:--';
  const rest = Object.entries(fields)
    .map(([name, value]) => ` ${name}=${fieldText(value)}`)
    .join('');
  const tag = paint(style, String(level).padEnd(5));
  return `${paint('dim', clock)} ${tag} ${typeof msg === 'string' ? msg : ''}${paint('dim', rest)}\n`;
}

/** Where `twowatt run` logs on a terminal; everywhere else logs stay JSON. */
export function readableLog(stream: NodeJS.WriteStream): { write(line: string): void } {
  const paint = painter(stream);
  return { write: (line) => void stream.write(readableLogLine(line, paint)) };
}
