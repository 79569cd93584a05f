import { findKubeconfig } from '../../src/discovery/kubernetes/find-kubeconfig.ts';
import { kubernetesDiscovery } from '../../src/discovery/kubernetes/kubernetes-discovery.ts';

/** Lists the nodes of the kubeconfig that is named, in a process of its own: what that takes in time and memory. */
const search = await findKubeconfig({ env: {}, explicit: process.argv[2] });
const before = process.resourceUsage().maxRSS;
const start = performance.now();
const { nodes } = await kubernetesDiscovery(search, { addressing: { defaultPort: 25000 }, env: {} }).find();
const ms = performance.now() - start;
const grownMiB = (process.resourceUsage().maxRSS - before) / 1024;
process.stdout.write(JSON.stringify({ nodes: nodes.length, ms, grownMiB }));
