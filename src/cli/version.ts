/** Put in its place by the build: neither a bundle nor the single executable reads a file to know its version. */
declare const imgctlVersion: string | undefined;

/** The program's version, as package.json had it when the program was built. */
export function programVersion(): string {
  return typeof imgctlVersion === 'undefined' ? '0.0.0' : imgctlVersion;
}
