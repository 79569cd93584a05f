import * as z from 'zod';
import { ImgctlError } from '../../errors.ts';
import type { ChosenContext } from './choose-context.ts';
import { type ExecOptions, execCredential } from './exec-credential.ts';
import type { KubeconfigUser } from './kubeconfig.ts';

/** Some context's user, as what can be sent: a token, a certificate, or a name and password. */
export type SettledUser = Omit<KubeconfigUser, 'exec' | 'authProvider' | 'directory'>;

const oidcSchema = z.object({ name: z.literal('oidc'), config: z.object({ 'id-token': z.string().min(1) }) });

/** @throws ImgctlError `config_invalid`, `discovery_failed` */
export async function userCredentials(chosen: ChosenContext, options: ExecOptions): Promise<SettledUser> {
  if (chosen.user === undefined) return { name: 'nobody' };
  const { exec, authProvider, directory: _, ...user } = chosen.user;
  // What is there beside a plugin wins, as with kubectl
  if (exec && !user.token && !user.username) {
    const { token, certificate, key } = await execCredential(chosen, options);
    return {
      ...dataFirst(user),
      ...(token === undefined ? {} : { token: token.trim() }),
      ...(certificate === undefined || key === undefined
        ? {}
        : { certFile: '', keyFile: '', certData: base64(certificate), keyData: base64(key) }),
    };
  }
  if (authProvider && !user.token) return { ...dataFirst(user), token: idToken(chosen, authProvider) };
  // A file ends with a line end, which no header takes
  return user.token ? { ...dataFirst(user), token: user.token.trim() } : dataFirst(user);
}

/** `…-data` overrides the file beside it. */
function dataFirst(user: SettledUser): SettledUser {
  return {
    ...user,
    ...(user.certData ? { certFile: '' } : {}),
    ...(user.keyData ? { keyFile: '' } : {}),
  };
}

/**
 * The token of an OpenID Connect login, while it is valid. It is not renewed here: issuers that give each refresh token
 * once would leave the one of the kubeconfig worthless. The providers for clouds went with Kubernetes 1.26.
 */
function idToken({ kubeconfig, user }: ChosenContext, authProvider: unknown): string {
  const provider = oidcSchema.safeParse(authProvider);
  if (!provider.success) {
    throw new ImgctlError(
      'config_invalid',
      `user ${user?.name} of the kubeconfig ${kubeconfig} has an auth-provider that is not supported`,
      { hint: 'Use a credential plugin (exec), as kubectl does since 1.26, or name the nodes: --nodes.' },
    );
  }
  const token = provider.data.config['id-token'];
  if (expiryOf(token) > Date.now()) return token;
  throw new ImgctlError(
    'discovery_failed',
    `the login of user ${user?.name} of the kubeconfig ${kubeconfig} has expired`,
    { hint: 'kubectl get nodes renews it; or name the nodes: --nodes.' },
  );
}

/** In milliseconds since 1970; what cannot be read is for the server to judge. */
function expiryOf(token: string): number {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    const { exp } = z.object({ exp: z.number() }).parse(payload);
    return exp * 1000;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
