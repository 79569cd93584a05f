import type * as z from 'zod';
import { suggest } from '../errors/nearest.ts';
import { printable, toImgctlError } from '../errors.ts';
import type { ShapedFile } from './config.ts';
import type { ConfigDocument, KeyPath, Problem } from './config-document.ts';
import { lineOf } from './config-document.ts';
import { allowedAt, type DefaultValue, keysAt } from './context-shape.ts';

/** What the file's values have to be that other folders know. */
export interface ConfigRules {
  /** @throws ImgctlError: what is wrong with the entries, which are apart by commas */
  checkNodes(list: string): void;
  /** The options of `images import` that a context may have defaults for. */
  readonly defaultNames: readonly string[];
  /** @throws ImgctlError: that the option does not take this value */
  checkDefault(name: string, value: DefaultValue): void;
}

/** A name is part of messages and of dotted keys, and is typed. */
const contextName = /^[\p{L}\p{N}][\p{L}\p{N}_@:/+-]*(\.[\p{L}\p{N}_@:/+-]+)*$/u;

/** The first problem, from the top of the file, with the shape of its values. */
export function shapeProblem(
  document: ConfigDocument,
  plain: unknown,
  issues: readonly z.core.$ZodIssue[],
): Problem {
  const problems = issues.slice(0, 100).flatMap((issue) => problemsOf(plain, issue));
  const [first] = problems
    .map((problem) => ({ problem, line: lineOf(document, problem.at) }))
    .toSorted((a, b) => a.line - b.line);
  return (
    first?.problem ?? { at: [], what: 'it is not a configuration file', hint: `Write ${allowedAt([])}.` }
  );
}

function problemsOf(plain: unknown, issue: z.core.$ZodIssue): Problem[] {
  const at = issue.path;
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(at) ?? [];
    return issue.keys.slice(0, 100).map((key) => ({
      at: [...at, key],
      what: 'there is no such setting',
      hint: suggest(key, known, 'settings'),
      ofKey: true,
    }));
  }
  return [{ at, what: `cannot be ${shown(valueAt(plain, at))}`, hint: `Write ${allowedAt(at)}.` }];
}

/** What the shape alone does not tell. */
export function ruleProblem(file: ShapedFile, rules: ConfigRules): Problem | undefined {
  const names = Object.keys(file.contexts);
  for (const [name, context] of Object.entries(file.contexts)) {
    const problem = contextProblem(name, context, rules);
    if (problem !== undefined) return problem;
  }
  const current = file.currentContext ?? undefined;
  if (current === undefined || names.includes(current)) return undefined;
  return {
    at: ['currentContext'],
    what: `there is no context ${JSON.stringify(current)}`,
    hint: suggest(current, names, 'contexts'),
  };
}

function contextProblem(
  name: string,
  { defaults, ...settings }: ShapedFile['contexts'][string],
  rules: ConfigRules,
): Problem | undefined {
  const at = (...key: string[]) => ['contexts', name, ...key];
  const said = settings as Readonly<Record<string, unknown>>;
  if (name.length > 253 || !contextName.test(name)) {
    return {
      at: at(),
      what: 'not the name of a context',
      hint: 'A name has letters, digits and any of . _ - @ : / +, and begins with a letter or digit.',
    };
  }
  if (said.nodes !== undefined && said.discover !== undefined) {
    return { at: at('discover'), what: 'nodes are named already', hint: 'Keep one: nodes or discover.' };
  }
  const finds = said.nodes === undefined ? (said.discover ?? 'kubernetes') : 'nodes';
  for (const key of ['selector', 'kubeconfig', 'kubeContext']) {
    if (said[key] === undefined || finds === 'kubernetes') continue;
    return { at: at(key), what: 'is for Kubernetes only', hint: 'Remove it, or write discover: kubernetes.' };
  }
  for (const [one, other] of [
    ['certFile', 'keyFile'],
    ['keyFile', 'certFile'],
  ] as const) {
    if (said[one] === undefined || said[other] !== undefined) continue;
    return {
      at: at(one),
      what: `${other} is missing`,
      hint: 'A certificate and its private key go together.',
    };
  }
  if (Array.isArray(said.nodes)) {
    const problem = refusal(at('nodes'), () => rules.checkNodes(String(said.nodes)));
    if (problem !== undefined) return problem;
  }
  for (const [option, value] of Object.entries(defaults)) {
    const key = at('defaults', option);
    if (!rules.defaultNames.includes(option)) {
      const hint = suggest(option, rules.defaultNames, 'options of images import');
      return { at: key, what: 'images import has no such option', hint, ofKey: true };
    }
    const problem = refusal(key, () => rules.checkDefault(option, value));
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** What a rule has against a value, as a problem of the place where it stands. */
function refusal(at: KeyPath, check: () => void): Problem | undefined {
  try {
    check();
    return undefined;
  } catch (thrown) {
    const { message, hint } = toImgctlError(thrown);
    return { at, what: message, hint: hint ?? 'See imgctl images import --help.' };
  }
}

function valueAt(plain: unknown, at: KeyPath): unknown {
  let value = plain;
  for (const step of at)
    value = typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined;
  return value;
}

function shown(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'empty';
  const text = printable(JSON.stringify(value));
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}
