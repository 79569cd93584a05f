import { type Appearance, hasUnicode, isColored, isLive } from './appearance.ts';
import type { Reporter } from './reporter.ts';
import type { OutputStreams } from './streams.ts';

/**
 * Everything that users see goes through this folder, and nothing else writes to the terminal. This file chooses the
 * adapter of the port in reporter.ts; tty and its libraries are loaded only for a terminal.
 *
 * Promises: progress goes to standard error, the result to standard output; what archives and peers say is made
 * printable; after `finish`, `fail` and the other results nothing moves and no timer is left.
 * May import: errors, and types of agent-api and distribute; ora and cli-table3 here and nowhere else.
 */

export const outputFormats = ['text', 'json', 'ndjson'] as const;
export type OutputFormat = (typeof outputFormats)[number];

export interface ReporterOptions extends Appearance, OutputStreams {
  readonly format: OutputFormat;
  readonly quiet?: boolean | undefined;
}

export async function createReporter(options: ReporterOptions): Promise<Reporter> {
  const { format, quiet, progress, stdout, stderr } = options;
  if (format === 'json') return (await import('./json.ts')).createJsonReporter({ stdout, stderr });
  if (format === 'ndjson') return (await import('./ndjson.ts')).createNdjsonReporter({ stdout, stderr });
  const color = isColored(stderr, options);
  if (quiet) return (await import('./quiet.ts')).createQuietReporter({ stdout, stderr, color });
  if (isLive(stderr, options)) {
    const { createTtyReporter } = await import('./tty.ts');
    return createTtyReporter({
      stdout,
      stderr,
      color,
      resultColor: isColored(stdout, options),
      unicode: hasUnicode(options),
    });
  }
  const { createPlainReporter } = await import('./plain.ts');
  return createPlainReporter({ stdout, stderr, color, progress });
}
