/**
 * Undo steps in the order of their doing, run backwards. One failing step never keeps the others
 * from running; all failures come out together at the end.
 */
export class Scope {
  readonly #steps: { name: string; undo: () => void | Promise<void> }[] = [];

  defer(name: string, undo: () => void | Promise<void>): void {
    this.#steps.push({ name, undo });
  }

  async close(): Promise<void> {
    const failures: Error[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.undo();
      } catch (error) {
        failures.push(new Error(`closing ${step.name} failed`, { cause: error }));
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'could not close everything');
  }
}
