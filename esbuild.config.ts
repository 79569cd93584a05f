import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type BuildOptions, build } from 'esbuild';
import packageJson from './package.json' with { type: 'json' };

/**
 * Builds what is run:
 *
 *     node esbuild.config.ts                            dist/cli/, the package's bundle
 *     node esbuild.config.ts executable [--only-own]    dist/imgctl-linux-x64 and -arm64, each one file with Node.js in it
 *
 * The machine's own architecture is built with the Node.js that the package `node` installed; the other's is brought
 * from the npm registry once, and kept. Without a network, name --only-own.
 */

const root = fileURLToPath(new URL('./', import.meta.url));
const dist = join(root, 'dist');
const run = promisify(execFile);

const architectures = ['x64', 'arm64'] as const;
type Architecture = (typeof architectures)[number];

/** What the npm registry says of `node-linux-ARCHITECTURE` in this version (`npm view … dist.integrity`). */
const base = {
  version: '24.21.0',
  integrity: {
    x64: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
    arm64: 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  },
} as const;

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node24',
  legalComments: 'none',
  logLevel: 'warning',
  define: { imgctlVersion: JSON.stringify(packageJson.version) },
};

async function bundlePackage(): Promise<void> {
  await build({
    ...common,
    entryPoints: ['src/cli/main.ts'],
    format: 'esm',
    splitting: true,
    outdir: 'dist/cli',
    // CommonJS libraries ask for Node.js's own modules with a require that a module does not have
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
    },
    external: Object.keys(packageJson.dependencies).filter((name) => !bundled.has(name)),
  });
}

/** Faster in the bundle than as files of their own: every start loads commander, and zod is wanted nearly always. */
const bundled = new Set(['commander', 'zod']);

async function buildExecutables(only: readonly Architecture[]): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'imgctl-executable-'));
  try {
    const script = join(work, 'imgctl.cjs');
    const { warnings } = await build({
      ...common,
      entryPoints: ['bin/executable.js'],
      format: 'cjs',
      outfile: script,
      // In one file there is nothing to import: each becomes a function that runs when it is asked for. A code cache
      // and import() do not go together, so none may be left, of Node.js's own modules either.
      supported: { 'dynamic-import': false },
      // Half the text to read at every start; errors name functions still, and lines stay short enough to show
      minifyWhitespace: true,
      lineLimit: 160,
    });
    // Most of all import.meta, which is nothing here: what stands beside a source stands nowhere
    if (warnings.length > 0) throw new Error('the bundle of the executable has warnings, see above');
    const failures: unknown[] = [];
    for (const architecture of only) {
      try {
        await buildExecutable(architecture, script, work);
      } catch (error) {
        const hint = architecture === process.arch ? '' : "  Hint: --only-own builds this machine's alone.\n";
        process.stderr.write(
          `imgctl-linux-${architecture} was not built: ${messageOf(error).trimEnd()}\n${hint}`,
        );
        failures.push(error);
      }
    }
    if (failures.length > 0) process.exitCode = 1;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** https://nodejs.org/docs/latest-v24.x/api/single-executable-applications.html */
async function buildExecutable(architecture: Architecture, script: string, work: string): Promise<void> {
  const own = ownBase();
  const config = join(work, `${architecture}.json`);
  const blob = join(work, `${architecture}.blob`);
  await writeFile(
    config,
    JSON.stringify({
      main: script,
      output: blob,
      disableExperimentalSEAWarning: true,
      useSnapshot: false,
      // Compiled code saves 60 ms of every start; only the same processor's Node.js can make it
      useCodeCache: architecture === process.arch,
      // node:sqlite says that it is experimental; and a NODE_OPTIONS that is meant for others is not read
      execArgv: ['--disable-warning=ExperimentalWarning'],
      execArgvExtension: 'none',
    }),
  );
  await run(own, ['--experimental-sea-config', config], { env: {} });
  const built = join(work, architecture);
  await copyFile(architecture === process.arch ? own : await foreignBase(architecture), built);
  await chmod(built, 0o755);
  const postject = fileURLToPath(import.meta.resolve('postject/dist/cli.js'));
  const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
  await run(own, [postject, built, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', fuse]);
  await mkdir(dist, { recursive: true });
  const target = join(dist, `imgctl-linux-${architecture}`);
  // All at once: the one that is there may be running
  const partial = `${target}.${process.pid}.partial`;
  await copyFile(built, partial);
  await rename(partial, target);
  const megabytes = Math.round((await stat(target)).size / 1e6);
  process.stdout.write(`dist/imgctl-linux-${architecture}  ${megabytes} MB\n`);
}

function ownBase(): string {
  if (process.platform !== 'linux' || process.version !== `v${base.version}`) {
    throw new Error(
      `executables are built on Linux with Node.js ${base.version}, this is ${process.platform} with ${process.version}: ` +
        'run npm ci and npm run build:exe; after an update of the package node, update version and integrity in esbuild.config.ts',
    );
  }
  return process.execPath;
}

/** Another architecture's Node.js, as the npm registry has it, checked against what is written here. */
async function foreignBase(architecture: Architecture): Promise<string> {
  const cache = join(root, 'node_modules', '.cache', 'imgctl');
  await mkdir(cache, { recursive: true });
  const file = join(cache, `node-linux-${architecture}-${base.version}.tgz`);
  if ((await integrityOf(file)) !== base.integrity[architecture]) {
    const name = `node-linux-${architecture}@${base.version}`;
    await run('npm', ['pack', name, '--pack-destination', cache], { cwd: cache });
    const found = await integrityOf(file);
    if (found !== base.integrity[architecture])
      throw new Error(`${name} is not what it should be: ${found}, not ${base.integrity[architecture]}`);
  }
  await run('tar', ['-xzf', file, '-C', cache, '--strip-components=2', 'package/bin/node']);
  const node = join(cache, `node-${architecture}`);
  await rename(join(cache, 'node'), node);
  return node;
}

async function integrityOf(file: string): Promise<string | undefined> {
  const bytes = await readFile(file).catch(() => undefined);
  return bytes && `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
}

function messageOf(error: unknown): string {
  const stderr = error instanceof Error && 'stderr' in error ? `\n${error.stderr}` : '';
  return `${error instanceof Error ? error.message : error}${stderr}`;
}

const [what, ...options] = process.argv.slice(2);
if (what === 'executable') {
  const onlyOwn = options.includes('--only-own');
  await buildExecutables(architectures.filter((name) => !onlyOwn || name === process.arch));
} else {
  await bundlePackage();
}
