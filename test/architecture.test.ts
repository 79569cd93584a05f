import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/**
 * The rules of who may import whom, what each library is allowed in, and who may touch the process, checked on the
 * real import graph. The checker is a function of sources, and is itself checked on small ones that break each rule.
 */

type Sources = ReadonlyMap<string, string>;
type Import = { readonly to: string; readonly kind: 'value' | 'type' | 'dynamic' };

const ground = ['errors', 'streams'];
const model = [...ground, 'image'];
const adapters = [
  'archive',
  'store',
  'discovery',
  'config',
  'trust',
  'agent-api',
  'registry',
  'microk8s',
  'deploy',
];
const ports = ['store/store.ts', 'discovery/discovery.ts'];
const core = [...model, 'agent-api', ...ports];
const useCases = ['transfer', 'distribute', 'bundle'];

/** What each folder may import beside itself: folders, and single files. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  streams: ['errors'],
  image: ground,
  ...Object.fromEntries(adapters.map((folder) => [folder, model])),
  transfer: core,
  distribute: [...core, 'transfer'],
  bundle: [...core, 'archive', 'registry'],
  agent: [...model, ...adapters, ...useCases],
  output: ['errors'],
  cli: [...model, ...adapters, ...useCases, 'agent', 'output'],
};

/** Types alone: what events and outcomes look like. */
const mayImportTypes: Readonly<Record<string, readonly string[]>> = {
  output: ['image', 'agent-api', ...useCases],
};

/** Libraries, and built-in modules that stand for one, with the folders that may use them. */
const fences: readonly (readonly [library: RegExp, folders: readonly string[]])[] = [
  [/^@grpc\/|^node:http2$/, ['store/containerd']],
  [/^tar-stream$/, ['archive', 'deploy']],
  [/^undici$/, ['agent-api', 'discovery', 'registry']],
  [/^@kubernetes\/client-node\//, ['discovery']],
  [/^(@peculiar\/x509|reflect-metadata|@noble\/hashes\/.*)$/, ['trust']],
  // Bundles are made of what Kubernetes manifests name
  [/^yaml$/, ['config', 'deploy', 'bundle']],
  [/^(smol-toml|re2js)$/, ['config']],
  [/^commander$/, ['cli']],
  [/^(ora|cli-table3)$/, ['output']],
  [/^(fastify|pino|prom-client|find-my-way)$/, ['agent']],
  [/^zod$/, ['image', ...adapters, ...useCases, 'agent']],
];

const writesToTerminal = /\bprocess\s*\.\s*(stdout|stderr)\b|\bconsole\s*\.|\b(stdout|stderr)\.(write|end)\(/;
const endsProcess = /\bprocess\s*\.\s*(exit|exitCode|abort|reallyExit)\b/;
/** Every part of zod, its messages in fifty languages with them, would be loaded. */
const wholeZod = /^import (type )?\{[^}]*\} from 'zod'/m;
const maxLines = 400;

function violations(sources: Sources): string[] {
  const found: string[] = [];
  for (const [file, source] of sources) {
    const code = withoutComments(source);
    for (const { to, kind } of importsOf(file, source)) {
      const broken = sources.has(to) ? brokenTier(file, to, kind) : brokenFence(file, to);
      if (broken !== undefined) found.push(`${file} imports ${to}: ${broken}`);
    }
    if (folderOf(file) !== 'output' && writesToTerminal.test(code))
      found.push(`${file} writes to the terminal`);
    if (endsProcess.test(code)) found.push(`${file} ends the process`);
    if (wholeZod.test(code)) found.push(`${file} loads all of zod: import * as z loads what is used`);
    if (source.split('\n').length > maxLines) found.push(`${file} is longer than ${maxLines} lines`);
  }
  for (const cycle of cyclesOf(sources)) found.push(`import cycle: ${cycle.join(' → ')}`);
  for (const [file, library] of startedWith(sources))
    found.push(`${file} loads ${library} before it is used`);
  return found;
}

function brokenTier(file: string, to: string, kind: Import['kind']): string | undefined {
  const [from, target] = [folderOf(file), folderOf(to)];
  if (from === 'cli' && to === 'agent/main.ts' && kind !== 'dynamic') return 'only import() may';
  if (from === 'store' && target === 'store') return brokenAdapter(file, to);
  if (from === target) return undefined;
  const allowed = [...(mayImport[from] ?? []), ...(kind === 'type' ? (mayImportTypes[from] ?? []) : [])];
  return allowed.includes(target) || allowed.includes(to) ? undefined : `${from} may not`;
}

/** store/containerd/ and its like share nothing but the port. */
function brokenAdapter(file: string, to: string): string | undefined {
  const adapter = (path: string) => path.split('/').slice(1, -1)[0];
  return adapter(to) === undefined || adapter(file) === adapter(to)
    ? undefined
    : 'adapters share only the port';
}

function brokenFence(file: string, library: string): string | undefined {
  if (library.endsWith('.ts')) return 'there is no such file';
  const fence = fences.find(([pattern]) => pattern.test(library));
  if (fence === undefined)
    return library.startsWith('node:') || isDecoder(file)
      ? undefined
      : 'no folder is said to use this library';
  return fence[1].some((folder) => file.startsWith(`${folder}/`))
    ? undefined
    : `only ${fence[1].join(', ')} may`;
}

/** Each compression has a library of its own, and a file around it. */
function isDecoder(file: string): boolean {
  return file.startsWith('archive/decoders/');
}

/** Files that every start of the command loads, with a library that they bring and should not. */
function startedWith(sources: Sources): [string, string][] {
  const entries = [...sources.keys()].filter((file) => /^cli\/(main|program|commands\/.*)\.ts$/.test(file));
  const seen = new Set<string>();
  const found: [string, string][] = [];
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { to, kind } of importsOf(file, sources.get(file) ?? '')) {
      if (kind !== 'value') continue;
      if (sources.has(to)) visit(to);
      else if (!to.startsWith('node:') && to !== 'commander') found.push([file, to]);
    }
  };
  entries.forEach(visit);
  return found;
}

/** Each way through files that import each other as they are loaded. */
function cyclesOf(sources: Sources): string[][] {
  const done = new Set<string>();
  const cycles: string[][] = [];
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) cycles.push([...path.slice(start), file]);
    if (start >= 0 || done.has(file)) return;
    for (const { to, kind } of importsOf(file, sources.get(file) ?? ''))
      if (kind === 'value' && sources.has(to)) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of sources.keys()) visit(file, []);
  return cycles;
}

function importsOf(file: string, source: string): Import[] {
  const code = withoutComments(source);
  const resolve = (to: string) => (to.startsWith('.') ? join(dirname(file), to) : to);
  const fixed = code.matchAll(/^\s*(?:import|export)\s+(type\s+)?(?:[^'"();=]*?\sfrom\s+)?'([^']+)'/gm);
  const dynamic = code.matchAll(/(?<![.\w])import\(\s*'([^']+)'\s*\)/g);
  return [
    ...[...fixed].map(([, type, to = '']) => ({
      to: resolve(to),
      kind: type ? ('type' as const) : ('value' as const),
    })),
    ...[...dynamic].map(([, to = '']) => ({ to: resolve(to), kind: 'dynamic' as const })),
  ];
}

/** Strings are skipped, so that `http://` in one is no comment. */
function withoutComments(source: string): string {
  return source.replace(
    /('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|(?<![:\\/[(])\/\/[^\n]*/g,
    (_, text: string | undefined) => text ?? ' ',
  );
}

function folderOf(file: string): string {
  return file.replace(/\.ts$/, '').split('/')[0] ?? '';
}

async function realSources(): Promise<Sources> {
  const root = fileURLToPath(new URL('../src/', import.meta.url));
  const files = await Array.fromAsync(glob('**/*.ts', { cwd: root }));
  return new Map(files.sort().map((file) => [file, readFileSync(join(root, file), 'utf8')]));
}

describe('the architecture', () => {
  it('is kept by every file of src/', async () => {
    expect(violations(await realSources())).toEqual([]);
  });

  const inOrder: Record<string, string> = {
    'errors.ts': '',
    'image/digest.ts': "import { A } from '../errors.ts';\nimport * as z from 'zod';",
    'store/store.ts': "import type { D } from '../image/digest.ts';",
    'agent/main.ts': "import { fastify } from 'fastify';",
    'output/tty.ts': "import ora from 'ora';\nprocess.stderr.write('');",
    'cli/main.ts': "// see 'agent/main.ts'\nawait import('../agent/main.ts');",
  };

  it('is kept by a small program in order', () => {
    expect(violations(new Map(Object.entries(inOrder)))).toEqual([]);
  });

  it.each<[rule: string, files: Record<string, string>, told: RegExp]>([
    ['imports point down', { 'image/a.ts': "import '../store/store.ts';" }, /image may not/],
    [
      'types count too',
      { 'image/a.ts': "import type {\n  S,\n} from '../store/store.ts';" },
      /image may not/,
    ],
    ['re-exports count too', { 'image/a.ts': "export * from '../store/store.ts';" }, /image may not/],
    ['import() counts too', { 'image/a.ts': "await import('../store/store.ts');" }, /image may not/],
    ['adapters know nobody', { 'archive/a.ts': "import '../store/store.ts';" }, /archive may not/],
    [
      'stores know no other',
      { 'store/a/x.ts': "import '../b/y.ts';", 'store/b/y.ts': '' },
      /share only the port/,
    ],
    [
      'use cases know ports only',
      { 'transfer/a.ts': "import '../store/b/y.ts';", 'store/b/y.ts': '' },
      /transfer may not/,
    ],
    [
      'output knows types only',
      { 'output/a.ts': "import { x } from '../agent-api/b.ts';", 'agent-api/b.ts': '' },
      /output may not/,
    ],
    [
      'the agent is loaded late',
      { 'cli/a.ts': "import { run } from '../agent/main.ts';" },
      /only import\(\) may/,
    ],
    ['libraries stay at home', { 'transfer/a.ts': "import { fetch } from 'undici';" }, /only agent-api/],
    ['new libraries are told', { 'image/a.ts': "import 'lodash';" }, /no folder is said/],
    ['files exist', { 'image/a.ts': "import './gone.ts';" }, /no such file/],
    ['only output writes', { 'agent/a.ts': "console.log('x');" }, /writes to the terminal/],
    [
      'only output writes to what it is given',
      { 'cli/a.ts': "io.stdout.write('x');" },
      /writes to the terminal/,
    ],
    ['nobody ends the process', { 'agent/a.ts': 'process.exitCode = 1;' }, /ends the process/],
    [
      'no circles',
      { 'image/a.ts': "import './b.ts';", 'image/b.ts': "import './a.ts';" },
      /cycle: image\/a.ts → image\/b.ts → image\/a.ts/,
    ],
    ['starts are quick', { 'cli/program.ts': "import '../image/digest.ts';" }, /loads zod before it is used/],
    ['zod is loaded in part', { 'image/a.ts': "import { z } from 'zod';" }, /loads all of zod/],
    ['files are short', { 'image/a.ts': '\n'.repeat(maxLines) }, /longer than/],
  ])('finds what breaks it: %s', (_, files, told) => {
    expect(violations(new Map(Object.entries({ ...inOrder, ...files }))).join('\n')).toMatch(told);
  });
});
