/** The agent as a service of systemd: systemd.unit(5), systemd.service(5), systemd.exec(5). */

export const unitName = 'imgctl-agent.service';

export interface UnitSettings {
  /** Program and arguments, each as it is. */
  readonly command: readonly string[];
  /** Where tokens and unfinished work are kept: `/var/lib/imgctl`, which systemd itself makes, or another place. */
  readonly dataDir: string;
  /** Variables for the agent; need not be there. */
  readonly environmentFile: string;
  /** Further directories that the agent writes to: a store that is a directory. */
  readonly writable: readonly string[];
}

/** The service's own state directory: systemd makes it, and lets the service write there. */
export const stateDirectory = '/var/lib/imgctl';

/** Homes are hidden from the service, unless its program, or what an option names, lies in one. */
const homes = /^(?:--[\w-]+=)?\/(?:home|root|run\/user)(?:\/|$)/;

/**
 * The text of the unit. It may do what an agent does and no more: speak to containerd's socket, which belongs to root
 * and so needs root but no capability, listen, and write to its data directory.
 */
export function agentUnit({ command, dataDir, environmentFile, writable }: UnitSettings): string {
  const writes = [...(dataDir === stateDirectory ? [] : [dataDir]), ...writable];
  return `[Unit]
Description=imgctl agent: takes container images for this node
Documentation=man:systemd.service(5)
After=network-online.target containerd.service
Wants=network-online.target
# containerd may come long after: keep trying
StartLimitIntervalSec=0

[Service]
Type=simple
ExecStart=${command.map(unitWord).join(' ')}
# For CONTAINERD_ADDRESS and the like; need not be there
EnvironmentFile=-${unitWord(environmentFile)}
Restart=on-failure
RestartSec=5
# SIGTERM lets transfers end for up to 30 seconds
KillMode=mixed
TimeoutStopSec=45
LimitNOFILE=65536
StateDirectory=imgctl
StateDirectoryMode=0700
UMask=0077

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
${writes.length === 0 ? '' : `ReadWritePaths=${writes.map(unitWord).join(' ')}\n`}ProtectHome=${command.some((word) => homes.test(word)) ? 'read-only' : 'yes'}
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
KeyringMode=private
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
# No MemoryDenyWriteExecute: the JavaScript engine compiles as it runs

[Install]
WantedBy=multi-user.target
`;
}

/** One word of a command line or of a list of paths, quoted where systemd would read it otherwise. */
export function unitWord(word: string): string {
  const literal = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  if (/^[\w@%+=:,./$[\]-]+$/.test(literal)) return literal;
  return `"${literal.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
