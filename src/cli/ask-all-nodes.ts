import type { ImgctlError } from '../errors.ts';
import type { Reporter } from '../output/reporter.ts';
import { type Answered, askNodes } from './ask-nodes.ts';
import { type ConnectedNode, connectNodes } from './connect-nodes.ts';
import type { CommandContext } from './context.ts';
import { statusOfAnswers } from './exit-codes.ts';
import type { NodeOptions, OutputOptions } from './options.ts';

export interface Question<Answer, Row> {
  ask(node: ConnectedNode, signal: AbortSignal): Promise<Answer>;
  /** A node that says nothing for so long, in milliseconds, is listed with that as its error. */
  readonly withinMs: number;
  /** `mutual`: whether the command showed a certificate of its own. */
  row(node: ConnectedNode, answered: Answered<Answer>, mutual: boolean): Row;
  show(reporter: Reporter, rows: readonly Row[]): void;
}

/** Puts one question to all nodes that the options name, and shows what each said, or why it did not. */
export async function askAllNodes<Answer, Row extends { readonly error?: ImgctlError | undefined }>(
  context: CommandContext,
  options: NodeOptions & OutputOptions,
  { ask, withinMs, row, show }: Question<Answer, Row>,
): Promise<void> {
  const { io } = context;
  const reporter = await context.reporter(options);
  await using connected = await connectNodes(options, io, reporter);
  const answers = await askNodes(connected.nodes, ask, { signal: io.signal, withinMs });
  const rows = answers.map(({ node, ...answered }) => row(node, answered, connected.mutual));
  show(reporter, rows);
  context.status = statusOfAnswers(rows, io.signal.aborted);
}
