import { useEffect, useRef, useState } from 'preact/hooks';
import { problemText } from '../views/texts.ts';

export type Loaded<Value> = {
  value: Value | null;
  problem: string | null;
  loading: boolean;
  /** Resolves when the new answer, or its problem, is here. */
  reload: () => Promise<void>;
};

/**
 * Loads when `key` changes, and again every `everyMs`. An answer that comes after a newer question was
 * asked is dropped; the last good value stays while the next one is under way.
 */
export function useLoad<Value>(
  key: string | null,
  load: () => Promise<Value>,
  everyMs?: number,
): Loaded<Value> {
  const [value, setValue] = useState<{ key: string; value: Value } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [loading, setLoading] = useState(false);
  const asked = useRef(0);
  const loader = useRef(load);
  loader.current = load;

  const run = async (): Promise<void> => {
    if (key === null) return;
    asked.current += 1;
    const mine = asked.current;
    setLoading(true);
    try {
      const answer = await loader.current();
      if (mine !== asked.current) return;
      setValue({ key, value: answer });
      setProblem(null);
    } catch (error) {
      if (mine === asked.current) setProblem(problemText(error));
    } finally {
      if (mine === asked.current) setLoading(false);
    }
  };

  useEffect(() => {
    void run();
    if (everyMs === undefined) return () => {};
    const timer = setInterval(() => {
      if (!document.hidden) void run();
    }, everyMs);
    return () => clearInterval(timer);
  }, [key, everyMs]);

  return {
    value: value?.value ?? null,
    problem,
    loading,
    reload: run,
  };
}
