/**
 * The places at which the board runs prompts. A prompt that comes back from the cloud waits in line for
 * one; while anybody waits, no place counts as free for new prompts.
 */
export class EdgeSlots {
  readonly #size: number;
  readonly #onFree: () => void;
  readonly #line: (() => void)[] = [];
  #taken = 0;

  /** `onFree` is called when a place was given back and nobody waits for it. */
  constructor(size: number, onFree: () => void) {
    this.#size = size;
    this.#onFree = onFree;
  }

  get taken(): number {
    return this.#taken;
  }

  get free(): boolean {
    return this.#taken < this.#size && this.#line.length === 0;
  }

  /** Only while one is free. */
  take(): Slot {
    this.#taken += 1;
    return new Slot(() => this.#giveBack());
  }

  /** Null when `signal` aborts before there is a place. */
  enter(signal: AbortSignal): Promise<Slot | null> {
    if (signal.aborted) return Promise.resolve(null);
    if (this.free) return Promise.resolve(this.take());
    return new Promise((resolve) => {
      const pass = () => {
        signal.removeEventListener('abort', leave);
        resolve(this.take());
      };
      const leave = () => {
        this.#line.splice(this.#line.indexOf(pass), 1);
        resolve(null);
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#line.push(pass);
    });
  }

  #giveBack(): void {
    this.#taken -= 1;
    const next = this.#line.shift();
    if (next) next();
    else this.#onFree();
  }
}

/** A place that is held; giving it back twice does no harm. */
export class Slot {
  #giveBack: (() => void) | undefined;

  constructor(giveBack: () => void) {
    this.#giveBack = giveBack;
  }

  release(): void {
    const giveBack = this.#giveBack;
    this.#giveBack = undefined;
    giveBack?.();
  }
}
