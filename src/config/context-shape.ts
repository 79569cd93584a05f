import * as z from 'zod';
import { discoverForms, parseDiscover } from './discover.ts';
import { drivers, type SettingName } from './settings.ts';

/** What may stand in a configuration file, and how it is said to whoever wrote something else. */

/** How a value that is typed on a command line becomes one of the file. */
type ValueKind = 'text' | 'list' | 'number' | 'file';

interface Field {
  readonly schema: z.ZodType;
  readonly kind: ValueKind;
  /** Ends the sentence `Write …`. */
  readonly allowed: string;
}

const text = z.string().trim().min(1).max(4096);
/** A list, or its entries in one text with commas between them. */
const list = z.preprocess(
  (value) => (typeof value === 'string' ? splitList(value) : value),
  z.array(text).min(1),
);

const file = (what: string): Field => ({
  schema: text,
  kind: 'file',
  allowed: `the path of ${what}; a relative one is beside this file`,
});

export const contextFields: Readonly<Record<SettingName, Field>> = {
  nodes: { schema: list, kind: 'list', allowed: 'a list of nodes, each [name=][http[s]://]host[:port]' },
  discover: { schema: text.refine(isDiscover), kind: 'text', allowed: discoverForms },
  selector: { schema: text, kind: 'text', allowed: 'a label selector, as kubectl takes it' },
  exclude: { schema: list, kind: 'list', allowed: 'a list of names of nodes' },
  kubeconfig: file('a kubeconfig'),
  kubeContext: { schema: text, kind: 'text', allowed: 'the name of a context of the kubeconfig' },
  agentPort: {
    schema: z.int().min(1).max(65_535),
    kind: 'number',
    allowed: 'a whole number from 1 to 65535',
  },
  caFile: file("the authority's certificate"),
  certFile: file("the command's own certificate"),
  keyFile: file("the certificate's private key"),
  tokenFile: file("the file with the cluster's token"),
  driver: { schema: z.enum(drivers), kind: 'text', allowed: drivers.join(', ') },
  microk8sTokenFile: file("the file with MicroK8s's callback token"),
  microk8sCaFile: file('the certificates that MicroK8s nodes may show'),
};

const scalar = z.union([z.string(), z.number(), z.boolean()]);
export type DefaultValue = z.infer<typeof scalar> | readonly z.infer<typeof scalar>[];

const context = z.strictObject({
  ...Object.fromEntries(Object.entries(contextFields).map(([name, { schema }]) => [name, schema.optional()])),
  defaults: emptyAs(z.record(z.string(), z.union([scalar, z.array(scalar)]))),
});

export const fileShape = emptyAs(
  z.strictObject({
    currentContext: z.string().nullish(),
    contexts: emptyAs(z.record(z.string(), emptyAs(context))),
  }),
);

/** The keys that a mapping at this place may have; undefined where names are the user's own. */
export function keysAt(path: readonly PropertyKey[]): readonly string[] | undefined {
  if (path.length === 0) return ['currentContext', 'contexts'];
  if (path.length === 2 && path[0] === 'contexts') return [...Object.keys(contextFields), 'defaults'];
  return undefined;
}

/** Ends the sentence `Write …` for the value at this place. */
export function allowedAt(path: readonly PropertyKey[]): string {
  const [, , key, ...inner] = path;
  if (path.length === 0) return 'currentContext and contexts, with a colon after each';
  if (path[0] === 'currentContext') return 'the name of one of the contexts';
  if (path.length === 1) return 'the contexts by their names, each with its settings below it';
  if (path.length === 2) return 'the settings of the context below its name';
  if (key === 'defaults')
    return inner.length === 0 ? 'options of images import below it' : 'text, a number, true, false or a list';
  const { allowed } = contextFields[key as SettingName];
  return key === 'nodes' && inner.length > 0 ? 'a node as name=host or host:port, in quotes' : allowed;
}

/** Entries apart by commas or white space. */
export function splitList(value: string): string[] {
  return value.split(/[\s,]+/).filter((entry) => entry !== '');
}

/** Where nothing stands after a colon, YAML says null: an empty mapping. */
function emptyAs<T extends z.ZodType>(schema: T) {
  return z.preprocess((value) => value ?? {}, schema);
}

function isDiscover(value: string): boolean {
  try {
    return parseDiscover(value) !== undefined;
  } catch {
    return false;
  }
}
