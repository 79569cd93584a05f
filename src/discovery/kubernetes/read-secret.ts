import * as z from 'zod';
import { ImgctlError } from '../../errors.ts';
import { apiGet } from './api-get.ts';
import { type ApiServer, apiServer } from './api-server.ts';
import { chooseContext } from './choose-context.ts';
import type { KubeconfigSearch } from './find-kubeconfig.ts';
import { noKubeconfig } from './kubernetes-discovery.ts';
import { failedConnection, type Refusal, refusedWith } from './listing-error.ts';
import { type ListingPatience, patientAsk } from './patient-ask.ts';
import { userCredentials } from './user-credentials.ts';

export interface SecretName {
  readonly namespace: string;
  readonly name: string;
}

export interface Secret {
  readonly type: string;
  /** By key, decoded: never for messages. */
  readonly data: ReadonlyMap<string, string>;
}

export interface SecretOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly context?: string | undefined;
  readonly patience?: ListingPatience | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Kubernetes keeps none that is larger than 1 MiB; base64 adds a third. */
const maxSecretBytes = 2 * 1024 * 1024;

const secretSchema = z.object({
  kind: z.literal('Secret').optional(),
  type: z.string().default('Opaque'),
  data: z.record(z.string(), z.string()).nullish(),
});

type Answered = { readonly kind: 'secret'; readonly secret: Secret } | { readonly kind: 'absent' };

/**
 * Secrets of the cluster that a kubeconfig is for, in the order of their names.
 * @throws ImgctlError `discovery_failed`, and `config_invalid` for one that is not there
 */
export async function readSecrets(
  { found, unreadable }: KubeconfigSearch,
  names: readonly SecretName[],
  { env, context, patience, signal }: SecretOptions,
): Promise<Secret[]> {
  if (found === undefined) throw noKubeconfig(unreadable);
  const chosen = chooseContext(found, context);
  const server = await apiServer(chosen, await userCredentials(chosen, { env, signal }), env);
  const place = `context ${chosen.context}, server ${server.url.origin}`;
  try {
    const secrets: Secret[] = [];
    for (const name of names) {
      const answer = await patientAsk((way) => ask(server, name, way), { patience, signal });
      if (answer.kind === 'refused') throw refused(name, place, answer.refusal);
      if (answer.kind === 'absent') throw absent(name, place);
      secrets.push(answer.secret);
    }
    return secrets;
  } finally {
    await server.dispatcher.destroy();
  }
}

async function ask(
  server: ApiServer,
  { namespace, name }: SecretName,
  way: { readonly attemptMs: number; readonly signal: AbortSignal },
): Promise<Answered | { readonly kind: 'refused'; readonly refusal: Refusal }> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets/${encodeURIComponent(name)}`;
  try {
    const { status, json, said, retryAfter } = await apiGet(server, {
      path,
      maxBytes: maxSecretBytes,
      ...way,
    });
    if (status === 404) return { kind: 'absent' };
    if (status !== 200)
      return { kind: 'refused', refusal: refusedWith(status, { said, what: 'secrets', retryAfter }) };
    const parsed = secretSchema.safeParse(json);
    if (!parsed.success) {
      const hint = "Check the kubeconfig's server, and what proxy may be in between.";
      return { kind: 'refused', refusal: { why: 'its answer is no secret', hint, mayPass: false } };
    }
    const { type, data } = parsed.data;
    const decoded = Object.entries(data ?? {}).map(
      ([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')] as const,
    );
    return { kind: 'secret', secret: { type, data: new Map(decoded) } };
  } catch (error) {
    way.signal.throwIfAborted();
    return { kind: 'refused', refusal: failedConnection(error) };
  }
}

function refused({ namespace, name }: SecretName, place: string, { why, hint, cause }: Refusal): ImgctlError {
  return new ImgctlError(
    'discovery_failed',
    `Kubernetes could not be asked for the secret ${namespace}/${name}: ${why} (${place})`,
    {
      // Of a list that is: kubectl auth can-i list secrets
      hint: hint.includes('list secrets')
        ? `Check: kubectl auth can-i get secret/${name} -n ${namespace}.`
        : hint,
      context: { secret: `${namespace}/${name}` },
      cause,
    },
  );
}

function absent({ namespace, name }: SecretName, place: string): ImgctlError {
  return new ImgctlError('config_invalid', `there is no secret ${namespace}/${name} (${place})`, {
    hint: `kubectl get secrets -n ${namespace} shows which there are.`,
    context: { secret: `${namespace}/${name}` },
  });
}
