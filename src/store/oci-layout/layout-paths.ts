import { join } from 'node:path';
import { type Digest, digestAlgorithm, digestHex } from '../../image/digest.ts';

/**
 * Where things are in the directory. What the OCI image layout does not know of is in one folder of ours, on the same
 * file system, so that everything can be renamed into place. Digests become paths here and nowhere else: the type
 * guarantees that they are hexadecimal.
 */
export class LayoutPaths {
  readonly directory: string;
  readonly marker: string;
  readonly index: string;
  readonly blobs: string;
  readonly own: string;
  readonly lock: string;
  readonly ingest: string;
  readonly leases: string;
  readonly owners: string;
  /** The one temporary file of whoever holds the lock. */
  readonly scratch: string;

  constructor(directory: string) {
    this.directory = directory;
    this.marker = join(directory, 'oci-layout');
    this.index = join(directory, 'index.json');
    this.blobs = join(directory, 'blobs');
    this.own = join(directory, '.imgctl');
    this.lock = join(this.own, 'lock');
    this.ingest = join(this.own, 'ingest');
    this.leases = join(this.own, 'leases');
    this.owners = join(this.own, 'owners');
    this.scratch = join(this.own, 'unfinished');
  }

  blobFolder(digest: Digest): string {
    return join(this.blobs, digestAlgorithm(digest));
  }

  blob(digest: Digest): string {
    return join(this.blobFolder(digest), digestHex(digest));
  }
}
