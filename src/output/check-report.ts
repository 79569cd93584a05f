import type { NodeCheck } from '../distribute/outcome.ts';
import { type ImgctlError, printable } from '../errors.ts';
import { causes } from './describe-error.ts';
import { count } from './format.ts';
import type { Style } from './style.ts';

/** Names that are listed beside a hint; more are counted. */
const maxNodes = 10;

type Checked = Pick<NodeCheck, 'node' | 'status' | 'error'>;

/** What was found before any byte moved: a line for each node that gets nothing, then what to do about it. */
export function checkReport(
  { nodes, waiting = [] }: { readonly nodes: readonly Checked[]; readonly waiting?: readonly string[] },
  style: Style,
): string[] {
  const unfit = nodes.filter(({ error }) => error !== undefined).length;
  const late = waiting.length === 0 ? [] : [`No answer yet: ${namesOf(waiting)}`];
  if (unfit === 0) return late;
  const all = count(nodes.length + waiting.length, 'node');
  return [`${style.red('Not fit')}: ${unfit} of ${all}`, ...nodeErrorLines(nodes), ...late];
}

/** A line a node that has an error, then each hint once, with the nodes that it is for. */
export function nodeErrorLines(nodes: readonly Checked[]): string[] {
  const errors = nodes.flatMap(({ node, status, error }) =>
    error === undefined ? [] : [{ node, status, error }],
  );
  const hints = Map.groupBy(
    errors.filter(({ error }) => error.hint !== undefined),
    ({ error }) => error.hint,
  );
  return [
    ...errors.map(({ node, status, error }) => {
      const what = status === undefined ? error.code : `${status} (${error.code})`;
      return printable(`  ${node}: ${what}: ${inOneLine(error)}`);
    }),
    ...[...hints].map(([hint, of]) => {
      const whose = of.length === errors.length ? '' : ` (${namesOf(of.map(({ node }) => node))})`;
      return printable(`  Hint${whose}: ${hint}`);
    }),
  ];
}

function inOneLine(error: ImgctlError): string {
  const { code, message, context } = error;
  const image =
    context.image === undefined || message.includes(context.image) ? '' : ` (image ${context.image})`;
  // The other codes say what is wrong in words of their own
  const [cause] = code === 'internal' || context.reason === 'unknown' ? causes(error) : [];
  return `${message}${image}${cause === undefined ? '' : `: ${cause}`}`;
}

function namesOf(nodes: readonly string[]): string {
  const listed = nodes.slice(0, maxNodes).map(printable).join(', ');
  return nodes.length > maxNodes ? `${listed} and ${nodes.length - maxNodes} more` : listed;
}
