/** The paths and headers of MicroK8s's cluster agent that are used, and what it is known to do. */

export const importPath = '/cluster/api/v2.0/image/import';
export const healthPath = '/health';
export const tokenHeader = 'x-microk8s-callback-token';

/** Upload and import of a request together, in milliseconds, unless the node's args/cluster-agent says otherwise. */
export const agentDeadlineMs = 240_000;
