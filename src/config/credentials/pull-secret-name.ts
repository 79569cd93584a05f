import { ImgctlError } from '../../errors.ts';

export interface PullSecretName {
  readonly namespace: string;
  readonly name: string;
}

const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const pattern = new RegExp(`^(${label})/(${label}(?:\\.${label})*)$`);

/** `namespace/name`, as Kubernetes has them. @throws ImgctlError `usage` */
export function parsePullSecretName(text: string): PullSecretName {
  const [, namespace, name] = text.length > 320 ? [] : (pattern.exec(text) ?? []);
  if (namespace !== undefined && name !== undefined) return { namespace, name };
  throw new ImgctlError('usage', `not a secret: ${JSON.stringify(text.slice(0, 80))}`, {
    hint: 'Write NAMESPACE/NAME, for example team-a/registry-login.',
  });
}
