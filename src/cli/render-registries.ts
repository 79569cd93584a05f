import { loadRegistriesFile } from '../config/registries/registry-hosts.ts';
import { renderHosts, writeHosts } from '../config/registries/render-hosts.ts';
import type { Reporter } from '../output/reporter.ts';

/** @throws ImgctlError `config_invalid`: no registries.yaml, or what is there is not to be replaced */
export async function renderRegistries(
  { registries, to }: { readonly registries?: string; readonly to: string },
  reporter: Reporter,
): Promise<{ readonly lines: readonly string[]; readonly details: Readonly<Record<string, unknown>> }> {
  const file = await loadRegistriesFile(registries);
  for (const warning of file.warnings) reporter.warn(`${file.path}: ${warning}`);
  const withAuth = [...file.hosts].filter(([, { auth }]) => auth !== undefined).map(([host]) => host);
  if (withAuth.length > 0)
    reporter.warn(
      `the credentials of ${withAuth.join(', ')} are not written: hosts.toml has no place for them`,
    );
  const withRewrites = [...file.mirrors]
    .filter(([, { rewrites }]) => rewrites.length > 0)
    .map(([name]) => name);
  if (withRewrites.length > 0)
    reporter.warn(
      `only the containerd of K3s and RKE2, and imgctl, follow the rewrites of ${withRewrites.join(', ')}`,
    );
  const files = await writeHosts(to, renderHosts(file));
  const lines =
    files.length === 0 ? [`${file.path} configures no registry.`] : files.map((path) => `Wrote ${path}`);
  return { lines, details: { from: file.path, files } };
}
