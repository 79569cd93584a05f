import { z } from 'zod';

/** Of a v1 NodeList, what is used here. What else there is may be anything. */

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

export const nodeListSchema = z.object({
  kind: z.literal('NodeList'),
  metadata: z.object({ continue: z.string().optional() }).optional(),
  items: z.array(nodeSchema).nullable(),
});

export type ApiNode = z.infer<typeof nodeSchema>;
