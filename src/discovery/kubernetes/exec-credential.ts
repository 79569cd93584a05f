import { readFile } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import * as z from 'zod';
import { ImgctlError, printable } from '../../errors.ts';
import { runPlugin } from '../../streams/run-plugin.ts';
import type { ChosenContext } from './choose-context.ts';

/**
 * Credential plugins, as the API `client.authentication.k8s.io` has them: a command that prints an ExecCredential.
 * It gets no standard input: that may be the archive.
 */

export interface ExecCredential {
  readonly token?: string | undefined;
  /** PEM */
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
}

export interface ExecOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A login in a browser takes a while. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const maxErrorChars = 500;

const pluginSchema = z.object({
  apiVersion: z.string().default('client.authentication.k8s.io/v1'),
  command: z.string().min(1),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
  installHint: z.string().nullish(),
  interactiveMode: z.string().nullish(),
  provideClusterInfo: z.boolean().nullish(),
});
type Plugin = z.infer<typeof pluginSchema>;

const answerSchema = z.object({
  status: z.object({
    token: z.string().nullish(),
    clientCertificateData: z.string().nullish(),
    clientKeyData: z.string().nullish(),
  }),
});

/** @throws ImgctlError `config_invalid`, `discovery_failed`, naming the command */
export async function execCredential(chosen: ChosenContext, options: ExecOptions): Promise<ExecCredential> {
  const parsed = pluginSchema.safeParse(chosen.user?.exec);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const message = `user ${chosen.user?.name} of the kubeconfig ${chosen.kubeconfig}: exec.${issue?.path.join('.')}: ${issue?.message}`;
    throw new ImgctlError('config_invalid', message, {
      hint: 'kubectl config view shows how it is written.',
    });
  }
  const plugin = parsed.data;
  if (plugin.interactiveMode === 'Always') {
    throw failed(plugin, 'it wants a terminal, and gets none', {
      hint: 'Use credentials that need no questions, or name the nodes: --nodes.',
    });
  }
  const printed = await run(plugin, chosen, options);
  const answer = answerSchema.safeParse(parseJson(printed));
  const { token, clientCertificateData, clientKeyData } = answer.data?.status ?? {};
  if (!token && !(clientCertificateData && clientKeyData))
    throw failed(plugin, 'what it printed is not an ExecCredential with a token or a certificate');
  return {
    token: token ?? undefined,
    certificate: clientCertificateData ?? undefined,
    key: clientKeyData ?? undefined,
  };
}

async function run(
  plugin: Plugin,
  chosen: ChosenContext,
  { env, timeoutMs = 120_000, signal }: ExecOptions,
): Promise<string> {
  const { command, args } = plugin;
  const isRelative = command.includes('/') && !isAbsolute(command);
  const { failure, missing, stdout, stderr } = await runPlugin({
    file: isRelative ? resolve(chosen.user?.directory ?? '.', command) : command,
    args: args ?? [],
    env: {
      ...env,
      ...Object.fromEntries((plugin.env ?? []).map(({ name, value }) => [name, value])),
      KUBERNETES_EXEC_INFO: await execInfo(plugin, chosen),
    },
    timeoutMs,
    signal,
  });
  if (failure === undefined) return stdout;
  const install = printable(plugin.installHint ?? '')
    .trim()
    .slice(0, maxErrorChars);
  throw failed(plugin, `${failure}${said(stderr)}`, {
    hint: missing ? install || 'Install it, or name the nodes: --nodes.' : undefined,
  });
}

/** What the plugin is told: which version to answer in, and of the cluster where it asks for that. */
async function execInfo(
  { apiVersion, provideClusterInfo }: Plugin,
  { cluster }: ChosenContext,
): Promise<string> {
  const { server, caData, caFile, tlsServerName, skipTLSVerify, proxyUrl } = cluster;
  const info = {
    server,
    // A file that is not there is told when the server is spoken to
    'certificate-authority-data':
      caData ?? (caFile ? await readFile(caFile, 'base64').catch(() => undefined) : undefined),
    'tls-server-name': tlsServerName,
    'insecure-skip-tls-verify': skipTLSVerify || undefined,
    'proxy-url': proxyUrl,
  };
  const spec = { interactive: false, ...(provideClusterInfo ? { cluster: info } : {}) };
  return JSON.stringify({ apiVersion, kind: 'ExecCredential', spec });
}

function said(stderr: string): string {
  const text = printable(stderr).trim().slice(-maxErrorChars);
  return text === '' ? '' : `: ${text}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function failed({ command }: Plugin, why: string, { hint }: { hint?: string | undefined } = {}): ImgctlError {
  return new ImgctlError('discovery_failed', `the credential plugin ${printable(command)} failed: ${why}`, {
    hint: hint ?? 'kubectl get nodes runs the same plugin; or name the nodes: --nodes.',
    context: { command: printable(command) },
  });
}
