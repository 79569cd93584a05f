import { Command, Option } from 'commander';
import type { CommandContext } from '../context.ts';
import type { CreateBundleOptions } from '../create-bundle.ts';
import { addOutputOptions, addPlatformOptions, addSpoolOption } from '../options.ts';
import { addValue, parseCount, parseSize } from '../parse-values.ts';
import { addRegistryOptions } from '../registry-options.ts';

const examples = `
Images are named on the command line, in lists (one a line, # for comments), or by Kubernetes manifests: of those, every
pod and pod template in any kind counts, with init and ephemeral containers and image volumes. Content tells the two apart.
What looks like an image elsewhere, as in resources of operators, is told and left out: name it too where a pod will run it.
They are pulled from their registries, with the mirrors and credentials that imgctl registries explain tells of, each layer
once; with --from-archive they are taken from archives alone, of any format, and without any name all that these have.
Signatures, attestations and SBOMs that stand beside an image, in its registry or in an archive, go with it unchanged.

The bundle is an OCI layout that skopeo, docker load (.tar or .tar.gz), ctr (.tar; that of containerd 2 all) and oras (.tar)
take too. It appears under its name when it is whole, and the same images give the same bytes. Its name says how it is
compressed: .tar, .tar.zst or .tar.gz; what is compressed already, as layers mostly are, is not compressed again.

--split writes FILE.001 and so on. They are imported in one command, in any order: imgctl images import FILE.*; for other
tools put them one after the other: cat FILE.* | zstd -d

--sign signs index.json, which names each image by its digest and so stands for all that is in the bundle. The signature is
in the bundle as index.json.minisig, where minisign -Vm index.json finds it. Where the key has a password, the terminal is
asked for it, or a file is named.

Examples:
  imgctl bundle create -f app.yaml -o app.tar.zst
  helm template chart | imgctl bundle create -f - --pull-secret team/registry-login -o chart.tar.zst
  docker save app:1 db:2 | imgctl bundle create --from-archive - -o bundle.tar.zst
  imgctl bundle create -f images.txt --from-archive all.tar -o bundle.tar.zst
  kubectl kustomize overlays/edge | imgctl bundle create -f - --from-archive all.tar -o edge.tar.zst
  imgctl bundle create app:1 --from-archive all.tar --platform linux/arm64 -o app.tar
  imgctl bundle create --from-cluster --context staging --from-archive all.tar -o cluster.tar.zst
  imgctl bundle create --from-archive all.tar --split 2G -o bundle.tar.zst
  imgctl bundle create -f images.txt --from-archive all.tar --sign release.key -o signed.tar.zst
  imgctl bundle create -f app.yaml --sign release.key --sign-password-file password.txt -o signed.tar.zst
  imgctl bundle create -f images.txt --from-archive all.tar --base june.tar.zst -o july-delta.tar.zst`;

export function bundleCreateCommand(context: CommandContext): Command {
  const command = new Command('create')
    .summary('make a bundle of the images that lists or manifests name')
    .description(
      'Makes a bundle: one archive of the images that are named, by themselves, in lists, or by manifests.',
    )
    .argument('[ref...]', 'names of images')
    .addOption(
      new Option(
        '-f, --file <file>',
        'a list of images, Kubernetes manifests, or a directory of them; - is standard input',
      )
        .argParser(addValue)
        .default([], 'none'),
    )
    .option('--from-cluster', 'the images of all pods that the cluster of the kubeconfig has now')
    .option('--kubeconfig <file>', 'which kubeconfig to list pods with (default: wherever it is)')
    .option('--context <name>', 'which context of the kubeconfig')
    .addOption(
      new Option(
        '--from-archive <file>',
        'an archive to take images from, in place of registries; - is standard input',
      )
        .argParser(addValue)
        .default([], 'none'),
    )
    .addOption(
      new Option(
        '--base <file>',
        'leave out what this older bundle has: nodes that have it need no more; again for each of its parts',
      ).argParser(addValue),
    )
    .option('--no-signatures', 'leave out signatures and attestations, and do not look for them')
    .option('--sign <file>', 'sign it with this secret key of imgctl bundle keygen, or of minisign')
    .option(
      '--sign-password-file <file>',
      'its first line is the password of the secret key; without it the terminal is asked (env: IMGCTL_SIGN_PASSWORD_FILE)',
    )
    .addOption(
      new Option(
        '--split <size>',
        'in parts of this size at most, for media with limits (2G, 650M, 4.7GB)',
      ).argParser(parseSize),
    )
    .option('--max-parallel <n>', 'images that are looked up at once', parseCount(1, 64), 4)
    .requiredOption('-o, --out <file>', 'the bundle; - is standard output');
  addRegistryOptions(command);
  addPlatformOptions(addSpoolOption(command), 'every platform that is there');
  return addOutputOptions(command, '--output <format>')
    .addHelpText('after', examples)
    .action(async (refs: string[], options: CreateBundleOptions) => {
      const { createBundle } = await import('../create-bundle.ts');
      await createBundle(refs, options, context);
    });
}
