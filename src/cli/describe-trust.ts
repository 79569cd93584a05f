import { join } from 'node:path';
import { trustFiles } from '../trust/default-files.ts';
import type { InitResult } from '../trust/init.ts';
import { day } from '../trust/read-certificates.ts';
import type { RenewResult } from '../trust/renew.ts';
import type { RotateResult } from '../trust/rotate-token.ts';

/** What `init` and `token` did, and what is to be done next, line by line. */

interface Place {
  readonly dir: string;
  /** Where commands look by themselves. */
  readonly isDefault: boolean;
}

export function made({ authority, certificates }: InitResult, place: Place): string[] {
  const { dir, isDefault } = place;
  const here = isDefault
    ? 'Commands of this user find ca.crt and token there by themselves.'
    : `Commands are told of it by --ca-file ${join(dir, trustFiles.ca)}: the token beside it is found.`;
  return [
    `Made in ${dir}:`,
    `  ${trustFiles.ca}: ${authority.subject}, until ${day(authority.notAfter)}`,
    ...certificates.map(describe),
    `  ${trustFiles.token}`,
    `Keep ${trustFiles.caKey} safe: whoever has it can pass for any node. Nodes never need it.`,
    here,
    ...handOut(place, certificates),
  ];
}

export function renewed({ authority, certificates, extended }: RenewResult, place: Place): string[] {
  const ca = extended
    ? [
        `  ${trustFiles.ca}: ${authority.subject}, extended until ${day(authority.notAfter)}; the one before it is trusted until its own end`,
      ]
    : [];
  const short = certificates.some(({ notAfter }) => notAfter >= authority.notAfter)
    ? [`They end with their authority, ${authority.subject}, which only the one that signed it can extend.`]
    : [];
  return [
    `Renewed in ${place.dir}:`,
    ...ca,
    ...certificates.map(describe),
    ...short,
    ...handOut(place, certificates),
  ];
}

export function rotated({ until }: RotateResult, place: Place, keepMs: number): string[] {
  const old =
    keepMs === 0
      ? 'The old one counts no more as soon as nodes have it.'
      : `The old one, in token.previous, is accepted until ${until.toISOString()}.`;
  return [
    `A new token is in ${join(place.dir, trustFiles.token)}. ${old}`,
    keepMs === 0
      ? 'Until nodes have it, they refuse commands.'
      : 'Until nodes have both files, commands that find token.previous show them the old one.',
    ...handOut(place),
  ];
}

export function dropped(end: Date): string {
  return `the token before the old one, which was good until ${end.toISOString()}, counts no more: token.previous holds one`;
}

function describe({ file, names, subject, notAfter }: InitResult['certificates'][number]): string {
  const whose = names.length === 0 ? `the client ${subject}` : names.join(', ');
  return `  ${file}: for ${whose}, until ${day(notAfter)}`;
}

/** How it gets onto nodes, where agents read it again by themselves. Pods of one DaemonSet share their certificate. */
function handOut({ dir, isDefault }: Place, certificates?: InitResult['certificates']): string[] {
  const from = isDefault ? '' : ` --dir ${dir}`;
  const shared = certificates?.some(({ file }) => file === trustFiles.cert) ?? true;
  return [
    'Next, to bring it to the nodes:',
    `  imgctl agent deploy${from} --ssh USER@HOST,USER@HOST`,
    ...(shared ? [`  imgctl agent manifest${from} | kubectl apply -f -`] : []),
  ];
}
