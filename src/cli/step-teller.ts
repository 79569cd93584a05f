import type { Reporter } from '../output/reporter.ts';
import type { OutputOptions } from './options.ts';

/** Steps of something that takes a while: a person sees each as it is done, a JSON document has them all. */
export class StepTeller {
  readonly steps: string[] = [];
  readonly #reporter: Reporter;
  readonly #live: boolean;

  constructor(reporter: Reporter, { output }: Pick<OutputOptions, 'output'>) {
    this.#reporter = reporter;
    this.#live = output !== 'json';
  }

  readonly tell = (message: string): void => {
    this.steps.push(message);
    if (this.#live) this.#reporter.note(message);
  };

  done(result: string, details: Readonly<Record<string, unknown>> = {}): void {
    this.#reporter.done(this.#live ? [result] : [...this.steps, result], details);
  }
}
