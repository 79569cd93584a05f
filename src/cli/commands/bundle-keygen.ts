import { basename, dirname, resolve } from 'node:path';
import { Command } from 'commander';
import { ImgctlError } from '../../errors.ts';
import type { CliIo, CommandContext } from '../context.ts';
import { addOutputOptions, type OutputOptions } from '../options.ts';

const examples = `
Writes NAME.key, which signs and stays secret, and NAME.pub, which verifies and goes to everybody. They are keys of
minisign; its own (minisign -G) do as well. Nothing is replaced. A password keeps a key that is stolen from being used; a
pipeline needs it too, in a file: imgctl bundle create --sign-password-file.

Examples:
  imgctl bundle keygen
  imgctl bundle keygen release
  imgctl bundle keygen release --password`;

interface Options extends OutputOptions {
  readonly password?: boolean;
  readonly passwordFile?: string;
}

export function bundleKeygenCommand(context: CommandContext): Command {
  const command = new Command('keygen')
    .summary('make a key pair to sign bundles with')
    .description('Makes a key pair: one file to sign bundles with, one to verify them with.')
    .argument('[name]', 'of the two files, without their ends', 'bundle')
    .option('--password', 'put a password on the secret key: the terminal is asked for it')
    .option('--password-file <file>', 'put the password on it that is the first line of this file');
  return addOutputOptions(command)
    .addHelpText('after', examples)
    .action(async (name: string, options: Options) => {
      const { newKeyPair } = await import('../../trust/minisign-key.ts');
      const { publishNew } = await import('../../trust/publish-files.ts');
      const reporter = await context.reporter(options);
      const [path, file] = [resolve(name), basename(name)];
      const { id, publicText, secretText } = await newKeyPair(await newPassword(options, context.io));
      const files = [
        { name: `${file}.key`, text: secretText, secret: true },
        { name: `${file}.pub`, text: publicText, secret: false },
      ];
      await publishNew(dirname(path), files).catch((cause: NodeJS.ErrnoException) => {
        const why = cause.code === 'EEXIST' ? 'is there already' : `cannot be written: ${cause.message}`;
        throw new ImgctlError('usage', `${name}.key or ${name}.pub ${why}`, {
          hint: 'Name others: imgctl bundle keygen NAME',
          cause,
        });
      });
      reporter.done(
        [
          `Wrote ${name}.key, which signs: keep it secret. imgctl bundle create --sign ${name}.key`,
          `Wrote ${name}.pub, which verifies (key ${id}). imgctl images import --verify-key ${name}.pub`,
        ],
        { id, secretKey: `${name}.key`, publicKey: `${name}.pub` },
      );
    });
}

/** Undefined where none is wanted. @throws ImgctlError `usage` where it is empty, or typed twice differently */
async function newPassword(
  { password, passwordFile }: Options,
  { signal }: CliIo,
): Promise<string | undefined> {
  if (passwordFile === undefined && password !== true) return undefined;
  const { passwordIn } = await import('../signed-bundles.ts');
  const { askSecret } = await import('../../output/ask-secret.ts');
  const first =
    passwordFile === undefined ? await askSecret('New password: ', signal) : await passwordIn(passwordFile);
  const again = passwordFile === undefined && first ? await askSecret('Once more: ', signal) : first;
  if (first && first === again) return first;
  throw new ImgctlError('usage', first ? 'the two passwords differ' : 'there is no password', {
    hint: 'Type it twice in a terminal, or name a file whose first line it is: --password-file FILE.',
  });
}
