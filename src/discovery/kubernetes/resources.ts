import * as z from 'zod';

/** What is listed of a cluster (v1 NodeList and PodList), as far as it is used here. What else there is may be anything. */

/** A kind of object, and how all of them are listed. */
export interface Resource<T> {
  /** In the plural, as the API and people have it. */
  readonly name: 'nodes' | 'pods';
  readonly schema: z.ZodType<Listed<T>>;
  readonly keyOf: (item: T) => string;
  /** More than Kubernetes can have: what goes on for longer does not end. */
  readonly most: number;
}

interface Listed<T> {
  readonly metadata?: { readonly continue?: string | undefined } | undefined;
  readonly items: T[] | null;
}

/** Each kubelet writes its own node's status: what is none costs that node its place in the list, not all nodes theirs. */
const text = z.string().max(1024).catch('');

const nodeSchema = z.object({
  // RFC 1123, as the API server holds its names to
  metadata: z.object({ name: z.string().regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/) }),
  spec: z.object({ unschedulable: z.boolean().nullish() }).nullish(),
  status: z
    .object({
      addresses: z.array(z.object({ type: text, address: text })).nullish(),
      conditions: z.array(z.object({ type: text, status: text })).nullish(),
      nodeInfo: z
        .object({
          architecture: text.nullish(),
          operatingSystem: text.nullish(),
          containerRuntimeVersion: text.nullish(),
        })
        .nullish(),
    })
    .nullish(),
});

const listMetadata = z.object({ continue: z.string().optional() }).optional();

/** Of a pod, its name; what it runs is for others to read. */
const podSchema = z.object({
  metadata: z.object({ name: text, namespace: text }),
  spec: z.unknown(),
});

export type ApiNode = z.infer<typeof nodeSchema>;
export type ApiPod = z.infer<typeof podSchema>;

export const nodesOfCluster: Resource<ApiNode> = {
  name: 'nodes',
  schema: z.object({
    kind: z.literal('NodeList'),
    metadata: listMetadata,
    items: z.array(nodeSchema).nullable(),
  }),
  keyOf: ({ metadata }) => metadata.name,
  most: 50_000,
};

export const podsOfCluster: Resource<ApiPod> = {
  name: 'pods',
  schema: z.object({
    kind: z.literal('PodList'),
    metadata: listMetadata,
    items: z.array(podSchema).nullable(),
  }),
  keyOf: ({ metadata }) => `${metadata.namespace}/${metadata.name}`,
  most: 1_000_000,
};
