# bash completion for imgctl, made by: imgctl completion bash

_imgctl_words() {
  COMPREPLY=($(compgen -W "$1" -- "$2"))
}

_imgctl_files() {
  local IFS=$'\n'
  compopt -o filenames 2>/dev/null
  COMPREPLY=($(compgen "$1" -- "$2"))
}

_imgctl() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=imgctl i
  # --option=value is three words to bash
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  COMPREPLY=()

  # Which command it is, with options and their values left out
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$command:${COMP_WORDS[i]}" in
    'imgctl:images' | 'imgctl:image') command='imgctl images' ;;
    'imgctl:bundle') command='imgctl bundle' ;;
    'imgctl:nodes' | 'imgctl:node') command='imgctl nodes' ;;
    'imgctl:agent') command='imgctl agent' ;;
    'imgctl:registries' | 'imgctl:registry') command='imgctl registries' ;;
    'imgctl:init') command='imgctl init' ;;
    'imgctl:token') command='imgctl token' ;;
    'imgctl:ctr') command='imgctl ctr' ;;
    'imgctl:config') command='imgctl config' ;;
    'imgctl:doctor') command='imgctl doctor' ;;
    'imgctl:completion') command='imgctl completion' ;;
    'imgctl:help') command='imgctl help' ;;
    'imgctl images:import') command='imgctl images import' ;;
    'imgctl images:pull') command='imgctl images pull' ;;
    'imgctl images:list' | 'imgctl images:ls') command='imgctl images list' ;;
    'imgctl images:rm' | 'imgctl images:remove') command='imgctl images rm' ;;
    'imgctl images:sync') command='imgctl images sync' ;;
    'imgctl images:dir') command='imgctl images dir' ;;
    'imgctl images dir:status') command='imgctl images dir status' ;;
    'imgctl bundle:create') command='imgctl bundle create' ;;
    'imgctl bundle:inspect') command='imgctl bundle inspect' ;;
    'imgctl bundle:keygen') command='imgctl bundle keygen' ;;
    'imgctl bundle:verify') command='imgctl bundle verify' ;;
    'imgctl nodes:list' | 'imgctl nodes:ls') command='imgctl nodes list' ;;
    'imgctl agent:run') command='imgctl agent run' ;;
    'imgctl agent:install') command='imgctl agent install' ;;
    'imgctl agent:uninstall') command='imgctl agent uninstall' ;;
    'imgctl agent:deploy') command='imgctl agent deploy' ;;
    'imgctl agent:image') command='imgctl agent image' ;;
    'imgctl agent:manifest') command='imgctl agent manifest' ;;
    'imgctl registries:explain') command='imgctl registries explain' ;;
    'imgctl registries:render') command='imgctl registries render' ;;
    'imgctl token:rotate') command='imgctl token rotate' ;;
    'imgctl ctr:image' | 'imgctl ctr:images' | 'imgctl ctr:i') command='imgctl ctr image' ;;
    'imgctl ctr image:import') command='imgctl ctr image import' ;;
    'imgctl ctr image:list' | 'imgctl ctr image:ls') command='imgctl ctr image list' ;;
    'imgctl ctr image:rm' | 'imgctl ctr image:remove' | 'imgctl ctr image:delete' | 'imgctl ctr image:del') command='imgctl ctr image rm' ;;
    'imgctl ctr image:tag') command='imgctl ctr image tag' ;;
    'imgctl ctr image:export') command='imgctl ctr image export' ;;
    'imgctl config:view') command='imgctl config view' ;;
    'imgctl config:use') command='imgctl config use' ;;
    'imgctl config:set') command='imgctl config set' ;;
    'imgctl config:unset') command='imgctl config unset' ;;
    'imgctl images import:--nodes' | \
      'imgctl images import:--discover' | \
      'imgctl images import:--selector' | \
      'imgctl images import:--exclude' | \
      'imgctl images import:--kubeconfig' | \
      'imgctl images import:--context' | \
      'imgctl images import:--agent-port' | \
      'imgctl images import:--ca-file' | \
      'imgctl images import:--cert' | \
      'imgctl images import:--key' | \
      'imgctl images import:--token-file' | \
      'imgctl images import:--config' | \
      'imgctl images import:--driver' | \
      'imgctl images import:--microk8s-token-file' | \
      'imgctl images import:--microk8s-ca' | \
      'imgctl images import:--platform' | \
      'imgctl images import:--tag' | \
      'imgctl images import:--verify-key' | \
      'imgctl images import:--retries' | \
      'imgctl images import:--stall-timeout' | \
      'imgctl images import:--concurrency' | \
      'imgctl images import:--spool-dir' | \
      'imgctl images import:--relay' | \
      'imgctl images import:--max-rate' | \
      'imgctl images import:--wire-compression' | \
      'imgctl images import:-o' | \
      'imgctl images import:--output' | \
      'imgctl images pull:-f' | \
      'imgctl images pull:--file' | \
      'imgctl images pull:--nodes' | \
      'imgctl images pull:--discover' | \
      'imgctl images pull:--selector' | \
      'imgctl images pull:--exclude' | \
      'imgctl images pull:--kubeconfig' | \
      'imgctl images pull:--context' | \
      'imgctl images pull:--agent-port' | \
      'imgctl images pull:--ca-file' | \
      'imgctl images pull:--cert' | \
      'imgctl images pull:--key' | \
      'imgctl images pull:--token-file' | \
      'imgctl images pull:--config' | \
      'imgctl images pull:--driver' | \
      'imgctl images pull:--microk8s-token-file' | \
      'imgctl images pull:--microk8s-ca' | \
      'imgctl images pull:--registries' | \
      'imgctl images pull:--hosts-dir' | \
      'imgctl images pull:--pull-secret' | \
      'imgctl images pull:--platform' | \
      'imgctl images pull:--retries' | \
      'imgctl images pull:--stall-timeout' | \
      'imgctl images pull:--max-parallel' | \
      'imgctl images pull:--via' | \
      'imgctl images pull:--max-rate' | \
      'imgctl images pull:-o' | \
      'imgctl images pull:--output' | \
      'imgctl images list:--nodes' | \
      'imgctl images list:--discover' | \
      'imgctl images list:--selector' | \
      'imgctl images list:--exclude' | \
      'imgctl images list:--kubeconfig' | \
      'imgctl images list:--context' | \
      'imgctl images list:--agent-port' | \
      'imgctl images list:--ca-file' | \
      'imgctl images list:--cert' | \
      'imgctl images list:--key' | \
      'imgctl images list:--token-file' | \
      'imgctl images list:--config' | \
      'imgctl images list:--driver' | \
      'imgctl images list:--microk8s-token-file' | \
      'imgctl images list:--microk8s-ca' | \
      'imgctl images list:-o' | \
      'imgctl images list:--output' | \
      'imgctl images rm:--nodes' | \
      'imgctl images rm:--discover' | \
      'imgctl images rm:--selector' | \
      'imgctl images rm:--exclude' | \
      'imgctl images rm:--kubeconfig' | \
      'imgctl images rm:--context' | \
      'imgctl images rm:--agent-port' | \
      'imgctl images rm:--ca-file' | \
      'imgctl images rm:--cert' | \
      'imgctl images rm:--key' | \
      'imgctl images rm:--token-file' | \
      'imgctl images rm:--config' | \
      'imgctl images rm:--driver' | \
      'imgctl images rm:--microk8s-token-file' | \
      'imgctl images rm:--microk8s-ca' | \
      'imgctl images rm:-o' | \
      'imgctl images rm:--output' | \
      'imgctl images sync:--from' | \
      'imgctl images sync:--to' | \
      'imgctl images sync:--nodes' | \
      'imgctl images sync:--discover' | \
      'imgctl images sync:--selector' | \
      'imgctl images sync:--exclude' | \
      'imgctl images sync:--kubeconfig' | \
      'imgctl images sync:--context' | \
      'imgctl images sync:--agent-port' | \
      'imgctl images sync:--ca-file' | \
      'imgctl images sync:--cert' | \
      'imgctl images sync:--key' | \
      'imgctl images sync:--token-file' | \
      'imgctl images sync:--config' | \
      'imgctl images sync:--driver' | \
      'imgctl images sync:--microk8s-token-file' | \
      'imgctl images sync:--microk8s-ca' | \
      'imgctl images sync:--platform' | \
      'imgctl images sync:--retries' | \
      'imgctl images sync:--stall-timeout' | \
      'imgctl images sync:-o' | \
      'imgctl images sync:--output' | \
      'imgctl images dir status:--nodes' | \
      'imgctl images dir status:--discover' | \
      'imgctl images dir status:--selector' | \
      'imgctl images dir status:--exclude' | \
      'imgctl images dir status:--kubeconfig' | \
      'imgctl images dir status:--context' | \
      'imgctl images dir status:--agent-port' | \
      'imgctl images dir status:--ca-file' | \
      'imgctl images dir status:--cert' | \
      'imgctl images dir status:--key' | \
      'imgctl images dir status:--token-file' | \
      'imgctl images dir status:--config' | \
      'imgctl images dir status:--driver' | \
      'imgctl images dir status:--microk8s-token-file' | \
      'imgctl images dir status:--microk8s-ca' | \
      'imgctl images dir status:-o' | \
      'imgctl images dir status:--output' | \
      'imgctl bundle create:-f' | \
      'imgctl bundle create:--file' | \
      'imgctl bundle create:--kubeconfig' | \
      'imgctl bundle create:--context' | \
      'imgctl bundle create:--from-archive' | \
      'imgctl bundle create:--base' | \
      'imgctl bundle create:--sign' | \
      'imgctl bundle create:--sign-password-file' | \
      'imgctl bundle create:--split' | \
      'imgctl bundle create:--max-parallel' | \
      'imgctl bundle create:-o' | \
      'imgctl bundle create:--out' | \
      'imgctl bundle create:--registries' | \
      'imgctl bundle create:--hosts-dir' | \
      'imgctl bundle create:--pull-secret' | \
      'imgctl bundle create:--spool-dir' | \
      'imgctl bundle create:--platform' | \
      'imgctl bundle create:--output' | \
      'imgctl bundle inspect:--spool-dir' | \
      'imgctl bundle inspect:-o' | \
      'imgctl bundle inspect:--output' | \
      'imgctl bundle keygen:--password-file' | \
      'imgctl bundle keygen:-o' | \
      'imgctl bundle keygen:--output' | \
      'imgctl bundle verify:--platform' | \
      'imgctl bundle verify:--base' | \
      'imgctl bundle verify:--verify-key' | \
      'imgctl bundle verify:--spool-dir' | \
      'imgctl bundle verify:-o' | \
      'imgctl bundle verify:--output' | \
      'imgctl nodes list:--nodes' | \
      'imgctl nodes list:--discover' | \
      'imgctl nodes list:--selector' | \
      'imgctl nodes list:--exclude' | \
      'imgctl nodes list:--kubeconfig' | \
      'imgctl nodes list:--context' | \
      'imgctl nodes list:--agent-port' | \
      'imgctl nodes list:--ca-file' | \
      'imgctl nodes list:--cert' | \
      'imgctl nodes list:--key' | \
      'imgctl nodes list:--token-file' | \
      'imgctl nodes list:--config' | \
      'imgctl nodes list:--driver' | \
      'imgctl nodes list:--microk8s-token-file' | \
      'imgctl nodes list:--microk8s-ca' | \
      'imgctl nodes list:-o' | \
      'imgctl nodes list:--output' | \
      'imgctl agent run:--listen' | \
      'imgctl agent run:--store' | \
      'imgctl agent run:--namespace' | \
      'imgctl agent run:--snapshotter' | \
      'imgctl agent run:--name' | \
      'imgctl agent run:--data-dir' | \
      'imgctl agent run:--token-file' | \
      'imgctl agent run:--tls-cert' | \
      'imgctl agent run:--tls-key' | \
      'imgctl agent run:--ca-file' | \
      'imgctl agent run:--client-ca' | \
      'imgctl agent run:--probe-listen' | \
      'imgctl agent run:--max-imports' | \
      'imgctl agent run:--max-rate' | \
      'imgctl agent run:--registries' | \
      'imgctl agent run:--hosts-dir' | \
      'imgctl agent run:--images-dir' | \
      'imgctl agent run:--images-dir-concurrency' | \
      'imgctl agent run:--images-dir-verify-key' | \
      'imgctl agent install:--dir' | \
      'imgctl agent install:--listen' | \
      'imgctl agent install:--store' | \
      'imgctl agent install:--name' | \
      'imgctl agent install:--executable' | \
      'imgctl agent install:-o' | \
      'imgctl agent install:--output' | \
      'imgctl agent uninstall:-o' | \
      'imgctl agent uninstall:--output' | \
      'imgctl agent deploy:--ssh' | \
      'imgctl agent deploy:--dir' | \
      'imgctl agent deploy:--ssh-option' | \
      'imgctl agent deploy:--listen' | \
      'imgctl agent deploy:--executable-dir' | \
      'imgctl agent deploy:--concurrency' | \
      'imgctl agent deploy:-o' | \
      'imgctl agent deploy:--output' | \
      'imgctl agent image:-o' | \
      'imgctl agent image:--output' | \
      'imgctl agent image:--tag' | \
      'imgctl agent manifest:--dir' | \
      'imgctl agent manifest:--image' | \
      'imgctl agent manifest:--namespace' | \
      'imgctl agent manifest:--distribution' | \
      'imgctl agent manifest:--store-socket' | \
      'imgctl agent manifest:--port' | \
      'imgctl agent manifest:--listen' | \
      'imgctl agent manifest:--probe-port' | \
      'imgctl agent manifest:--max-rate' | \
      'imgctl agent manifest:--images-dir' | \
      'imgctl agent manifest:--images-dir-concurrency' | \
      'imgctl agent manifest:--images-dir-verify-key' | \
      'imgctl agent manifest:--registries' | \
      'imgctl agent manifest:--hosts-dir' | \
      'imgctl registries explain:--registries' | \
      'imgctl registries explain:--hosts-dir' | \
      'imgctl registries explain:--pull-secret' | \
      'imgctl registries explain:--kubeconfig' | \
      'imgctl registries explain:--context' | \
      'imgctl registries explain:-o' | \
      'imgctl registries explain:--output' | \
      'imgctl registries render:--to' | \
      'imgctl registries render:--registries' | \
      'imgctl registries render:-o' | \
      'imgctl registries render:--output' | \
      'imgctl init:--dir' | \
      'imgctl init:--host' | \
      'imgctl init:--client' | \
      'imgctl init:-o' | \
      'imgctl init:--output' | \
      'imgctl token rotate:--dir' | \
      'imgctl token rotate:--keep' | \
      'imgctl token rotate:-o' | \
      'imgctl token rotate:--output' | \
      'imgctl ctr:-a' | \
      'imgctl ctr:--address' | \
      'imgctl ctr:-n' | \
      'imgctl ctr:--namespace' | \
      'imgctl ctr image import:-a' | \
      'imgctl ctr image import:--address' | \
      'imgctl ctr image import:-n' | \
      'imgctl ctr image import:--namespace' | \
      'imgctl ctr image import:--snapshotter' | \
      'imgctl ctr image import:--platform' | \
      'imgctl ctr image import:--tag' | \
      'imgctl ctr image import:--verify-key' | \
      'imgctl ctr image import:--retries' | \
      'imgctl ctr image import:--stall-timeout' | \
      'imgctl ctr image import:--concurrency' | \
      'imgctl ctr image import:--spool-dir' | \
      'imgctl ctr image import:-o' | \
      'imgctl ctr image import:--output' | \
      'imgctl ctr image list:-a' | \
      'imgctl ctr image list:--address' | \
      'imgctl ctr image list:-n' | \
      'imgctl ctr image list:--namespace' | \
      'imgctl ctr image list:-o' | \
      'imgctl ctr image list:--output' | \
      'imgctl ctr image rm:-a' | \
      'imgctl ctr image rm:--address' | \
      'imgctl ctr image rm:-n' | \
      'imgctl ctr image rm:--namespace' | \
      'imgctl ctr image rm:-o' | \
      'imgctl ctr image rm:--output' | \
      'imgctl ctr image tag:-a' | \
      'imgctl ctr image tag:--address' | \
      'imgctl ctr image tag:-n' | \
      'imgctl ctr image tag:--namespace' | \
      'imgctl ctr image tag:-o' | \
      'imgctl ctr image tag:--output' | \
      'imgctl ctr image export:-a' | \
      'imgctl ctr image export:--address' | \
      'imgctl ctr image export:-n' | \
      'imgctl ctr image export:--namespace' | \
      'imgctl ctr image export:--platform' | \
      'imgctl ctr image export:-o' | \
      'imgctl ctr image export:--output' | \
      'imgctl config view:--nodes' | \
      'imgctl config view:--discover' | \
      'imgctl config view:--selector' | \
      'imgctl config view:--exclude' | \
      'imgctl config view:--kubeconfig' | \
      'imgctl config view:--context' | \
      'imgctl config view:--agent-port' | \
      'imgctl config view:--ca-file' | \
      'imgctl config view:--cert' | \
      'imgctl config view:--key' | \
      'imgctl config view:--token-file' | \
      'imgctl config view:--config' | \
      'imgctl config view:--driver' | \
      'imgctl config view:--microk8s-token-file' | \
      'imgctl config view:--microk8s-ca' | \
      'imgctl config view:-o' | \
      'imgctl config view:--output' | \
      'imgctl config use:--config' | \
      'imgctl config use:-o' | \
      'imgctl config use:--output' | \
      'imgctl config set:--context' | \
      'imgctl config set:--config' | \
      'imgctl config set:-o' | \
      'imgctl config set:--output' | \
      'imgctl config unset:--context' | \
      'imgctl config unset:--config' | \
      'imgctl config unset:-o' | \
      'imgctl config unset:--output' | \
      'imgctl doctor:--nodes' | \
      'imgctl doctor:--discover' | \
      'imgctl doctor:--selector' | \
      'imgctl doctor:--exclude' | \
      'imgctl doctor:--kubeconfig' | \
      'imgctl doctor:--context' | \
      'imgctl doctor:--agent-port' | \
      'imgctl doctor:--ca-file' | \
      'imgctl doctor:--cert' | \
      'imgctl doctor:--key' | \
      'imgctl doctor:--token-file' | \
      'imgctl doctor:--config' | \
      'imgctl doctor:--driver' | \
      'imgctl doctor:--microk8s-token-file' | \
      'imgctl doctor:--microk8s-ca' | \
      'imgctl doctor:-o' | \
      'imgctl doctor:--output')
      if [[ ${COMP_WORDS[i + 1]} == = ]]; then i=$((i + 1)); fi
      i=$((i + 1))
      ;;
    esac
  done

  # The value of an option
  case "$command:$previous" in
  'imgctl images import:--nodes') :; return ;;
  'imgctl images import:--discover') :; return ;;
  'imgctl images import:--selector') :; return ;;
  'imgctl images import:--exclude') :; return ;;
  'imgctl images import:--kubeconfig') _imgctl_files -f "$current"; return ;;
  'imgctl images import:--context') :; return ;;
  'imgctl images import:--agent-port') :; return ;;
  'imgctl images import:--ca-file') _imgctl_files -f "$current"; return ;;
  'imgctl images import:--cert') _imgctl_files -f "$current"; return ;;
  'imgctl images import:--key') _imgctl_files -f "$current"; return ;;
  'imgctl images import:--token-file') _imgctl_files -f "$current"; return ;;
  'imgctl images import:--config') _imgctl_files -f "$current"; return ;;
  'imgctl images import:--driver') _imgctl_words 'auto imgctl microk8s' "$current"; return ;;
  'imgctl images import:--microk8s-token-file') _imgctl_files -f "$current"; return ;;
  'imgctl images import:--microk8s-ca') _imgctl_files -f "$current"; return ;;
  'imgctl images import:--platform') :; return ;;
  'imgctl images import:--tag') :; return ;;
  'imgctl images import:--verify-key') _imgctl_files -f "$current"; return ;;
  'imgctl images import:--retries') :; return ;;
  'imgctl images import:--stall-timeout') :; return ;;
  'imgctl images import:--concurrency') :; return ;;
  'imgctl images import:--spool-dir') _imgctl_files -d "$current"; return ;;
  'imgctl images import:--relay') _imgctl_words 'auto off' "$current"; return ;;
  'imgctl images import:--max-rate') :; return ;;
  'imgctl images import:--wire-compression') _imgctl_words 'auto zstd none' "$current"; return ;;
  'imgctl images import:-o' | 'imgctl images import:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl images pull:-f' | 'imgctl images pull:--file') _imgctl_files -f "$current"; return ;;
  'imgctl images pull:--nodes') :; return ;;
  'imgctl images pull:--discover') :; return ;;
  'imgctl images pull:--selector') :; return ;;
  'imgctl images pull:--exclude') :; return ;;
  'imgctl images pull:--kubeconfig') _imgctl_files -f "$current"; return ;;
  'imgctl images pull:--context') :; return ;;
  'imgctl images pull:--agent-port') :; return ;;
  'imgctl images pull:--ca-file') _imgctl_files -f "$current"; return ;;
  'imgctl images pull:--cert') _imgctl_files -f "$current"; return ;;
  'imgctl images pull:--key') _imgctl_files -f "$current"; return ;;
  'imgctl images pull:--token-file') _imgctl_files -f "$current"; return ;;
  'imgctl images pull:--config') _imgctl_files -f "$current"; return ;;
  'imgctl images pull:--driver') _imgctl_words 'auto imgctl microk8s' "$current"; return ;;
  'imgctl images pull:--microk8s-token-file') _imgctl_files -f "$current"; return ;;
  'imgctl images pull:--microk8s-ca') _imgctl_files -f "$current"; return ;;
  'imgctl images pull:--registries') _imgctl_files -f "$current"; return ;;
  'imgctl images pull:--hosts-dir') _imgctl_files -d "$current"; return ;;
  'imgctl images pull:--pull-secret') :; return ;;
  'imgctl images pull:--platform') :; return ;;
  'imgctl images pull:--retries') :; return ;;
  'imgctl images pull:--stall-timeout') :; return ;;
  'imgctl images pull:--max-parallel') :; return ;;
  'imgctl images pull:--via') _imgctl_words 'node command' "$current"; return ;;
  'imgctl images pull:--max-rate') :; return ;;
  'imgctl images pull:-o' | 'imgctl images pull:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl images list:--nodes') :; return ;;
  'imgctl images list:--discover') :; return ;;
  'imgctl images list:--selector') :; return ;;
  'imgctl images list:--exclude') :; return ;;
  'imgctl images list:--kubeconfig') _imgctl_files -f "$current"; return ;;
  'imgctl images list:--context') :; return ;;
  'imgctl images list:--agent-port') :; return ;;
  'imgctl images list:--ca-file') _imgctl_files -f "$current"; return ;;
  'imgctl images list:--cert') _imgctl_files -f "$current"; return ;;
  'imgctl images list:--key') _imgctl_files -f "$current"; return ;;
  'imgctl images list:--token-file') _imgctl_files -f "$current"; return ;;
  'imgctl images list:--config') _imgctl_files -f "$current"; return ;;
  'imgctl images list:--driver') _imgctl_words 'auto imgctl microk8s' "$current"; return ;;
  'imgctl images list:--microk8s-token-file') _imgctl_files -f "$current"; return ;;
  'imgctl images list:--microk8s-ca') _imgctl_files -f "$current"; return ;;
  'imgctl images list:-o' | 'imgctl images list:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl images rm:--nodes') :; return ;;
  'imgctl images rm:--discover') :; return ;;
  'imgctl images rm:--selector') :; return ;;
  'imgctl images rm:--exclude') :; return ;;
  'imgctl images rm:--kubeconfig') _imgctl_files -f "$current"; return ;;
  'imgctl images rm:--context') :; return ;;
  'imgctl images rm:--agent-port') :; return ;;
  'imgctl images rm:--ca-file') _imgctl_files -f "$current"; return ;;
  'imgctl images rm:--cert') _imgctl_files -f "$current"; return ;;
  'imgctl images rm:--key') _imgctl_files -f "$current"; return ;;
  'imgctl images rm:--token-file') _imgctl_files -f "$current"; return ;;
  'imgctl images rm:--config') _imgctl_files -f "$current"; return ;;
  'imgctl images rm:--driver') _imgctl_words 'auto imgctl microk8s' "$current"; return ;;
  'imgctl images rm:--microk8s-token-file') _imgctl_files -f "$current"; return ;;
  'imgctl images rm:--microk8s-ca') _imgctl_files -f "$current"; return ;;
  'imgctl images rm:-o' | 'imgctl images rm:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl images sync:--from') :; return ;;
  'imgctl images sync:--to') :; return ;;
  'imgctl images sync:--nodes') :; return ;;
  'imgctl images sync:--discover') :; return ;;
  'imgctl images sync:--selector') :; return ;;
  'imgctl images sync:--exclude') :; return ;;
  'imgctl images sync:--kubeconfig') _imgctl_files -f "$current"; return ;;
  'imgctl images sync:--context') :; return ;;
  'imgctl images sync:--agent-port') :; return ;;
  'imgctl images sync:--ca-file') _imgctl_files -f "$current"; return ;;
  'imgctl images sync:--cert') _imgctl_files -f "$current"; return ;;
  'imgctl images sync:--key') _imgctl_files -f "$current"; return ;;
  'imgctl images sync:--token-file') _imgctl_files -f "$current"; return ;;
  'imgctl images sync:--config') _imgctl_files -f "$current"; return ;;
  'imgctl images sync:--driver') _imgctl_words 'auto imgctl microk8s' "$current"; return ;;
  'imgctl images sync:--microk8s-token-file') _imgctl_files -f "$current"; return ;;
  'imgctl images sync:--microk8s-ca') _imgctl_files -f "$current"; return ;;
  'imgctl images sync:--platform') :; return ;;
  'imgctl images sync:--retries') :; return ;;
  'imgctl images sync:--stall-timeout') :; return ;;
  'imgctl images sync:-o' | 'imgctl images sync:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl images dir status:--nodes') :; return ;;
  'imgctl images dir status:--discover') :; return ;;
  'imgctl images dir status:--selector') :; return ;;
  'imgctl images dir status:--exclude') :; return ;;
  'imgctl images dir status:--kubeconfig') _imgctl_files -f "$current"; return ;;
  'imgctl images dir status:--context') :; return ;;
  'imgctl images dir status:--agent-port') :; return ;;
  'imgctl images dir status:--ca-file') _imgctl_files -f "$current"; return ;;
  'imgctl images dir status:--cert') _imgctl_files -f "$current"; return ;;
  'imgctl images dir status:--key') _imgctl_files -f "$current"; return ;;
  'imgctl images dir status:--token-file') _imgctl_files -f "$current"; return ;;
  'imgctl images dir status:--config') _imgctl_files -f "$current"; return ;;
  'imgctl images dir status:--driver') _imgctl_words 'auto imgctl microk8s' "$current"; return ;;
  'imgctl images dir status:--microk8s-token-file') _imgctl_files -f "$current"; return ;;
  'imgctl images dir status:--microk8s-ca') _imgctl_files -f "$current"; return ;;
  'imgctl images dir status:-o' | 'imgctl images dir status:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl bundle create:-f' | 'imgctl bundle create:--file') _imgctl_files -f "$current"; return ;;
  'imgctl bundle create:--kubeconfig') _imgctl_files -f "$current"; return ;;
  'imgctl bundle create:--context') :; return ;;
  'imgctl bundle create:--from-archive') _imgctl_files -f "$current"; return ;;
  'imgctl bundle create:--base') _imgctl_files -f "$current"; return ;;
  'imgctl bundle create:--sign') _imgctl_files -f "$current"; return ;;
  'imgctl bundle create:--sign-password-file') _imgctl_files -f "$current"; return ;;
  'imgctl bundle create:--split') :; return ;;
  'imgctl bundle create:--max-parallel') :; return ;;
  'imgctl bundle create:-o' | 'imgctl bundle create:--out') _imgctl_files -f "$current"; return ;;
  'imgctl bundle create:--registries') _imgctl_files -f "$current"; return ;;
  'imgctl bundle create:--hosts-dir') _imgctl_files -d "$current"; return ;;
  'imgctl bundle create:--pull-secret') :; return ;;
  'imgctl bundle create:--spool-dir') _imgctl_files -d "$current"; return ;;
  'imgctl bundle create:--platform') :; return ;;
  'imgctl bundle create:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl bundle inspect:--spool-dir') _imgctl_files -d "$current"; return ;;
  'imgctl bundle inspect:-o' | 'imgctl bundle inspect:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl bundle keygen:--password-file') _imgctl_files -f "$current"; return ;;
  'imgctl bundle keygen:-o' | 'imgctl bundle keygen:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl bundle verify:--platform') :; return ;;
  'imgctl bundle verify:--base') _imgctl_files -f "$current"; return ;;
  'imgctl bundle verify:--verify-key') _imgctl_files -f "$current"; return ;;
  'imgctl bundle verify:--spool-dir') _imgctl_files -d "$current"; return ;;
  'imgctl bundle verify:-o' | 'imgctl bundle verify:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl nodes list:--nodes') :; return ;;
  'imgctl nodes list:--discover') :; return ;;
  'imgctl nodes list:--selector') :; return ;;
  'imgctl nodes list:--exclude') :; return ;;
  'imgctl nodes list:--kubeconfig') _imgctl_files -f "$current"; return ;;
  'imgctl nodes list:--context') :; return ;;
  'imgctl nodes list:--agent-port') :; return ;;
  'imgctl nodes list:--ca-file') _imgctl_files -f "$current"; return ;;
  'imgctl nodes list:--cert') _imgctl_files -f "$current"; return ;;
  'imgctl nodes list:--key') _imgctl_files -f "$current"; return ;;
  'imgctl nodes list:--token-file') _imgctl_files -f "$current"; return ;;
  'imgctl nodes list:--config') _imgctl_files -f "$current"; return ;;
  'imgctl nodes list:--driver') _imgctl_words 'auto imgctl microk8s' "$current"; return ;;
  'imgctl nodes list:--microk8s-token-file') _imgctl_files -f "$current"; return ;;
  'imgctl nodes list:--microk8s-ca') _imgctl_files -f "$current"; return ;;
  'imgctl nodes list:-o' | 'imgctl nodes list:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl agent run:--listen') :; return ;;
  'imgctl agent run:--store') :; return ;;
  'imgctl agent run:--namespace') :; return ;;
  'imgctl agent run:--snapshotter') :; return ;;
  'imgctl agent run:--name') :; return ;;
  'imgctl agent run:--data-dir') _imgctl_files -d "$current"; return ;;
  'imgctl agent run:--token-file') _imgctl_files -f "$current"; return ;;
  'imgctl agent run:--tls-cert') _imgctl_files -f "$current"; return ;;
  'imgctl agent run:--tls-key') _imgctl_files -f "$current"; return ;;
  'imgctl agent run:--ca-file') _imgctl_files -f "$current"; return ;;
  'imgctl agent run:--client-ca') _imgctl_files -f "$current"; return ;;
  'imgctl agent run:--probe-listen') :; return ;;
  'imgctl agent run:--max-imports') :; return ;;
  'imgctl agent run:--max-rate') :; return ;;
  'imgctl agent run:--registries') _imgctl_files -f "$current"; return ;;
  'imgctl agent run:--hosts-dir') _imgctl_files -d "$current"; return ;;
  'imgctl agent run:--images-dir') _imgctl_files -d "$current"; return ;;
  'imgctl agent run:--images-dir-concurrency') :; return ;;
  'imgctl agent run:--images-dir-verify-key') _imgctl_files -f "$current"; return ;;
  'imgctl agent install:--dir') _imgctl_files -d "$current"; return ;;
  'imgctl agent install:--listen') :; return ;;
  'imgctl agent install:--store') :; return ;;
  'imgctl agent install:--name') :; return ;;
  'imgctl agent install:--executable') _imgctl_files -f "$current"; return ;;
  'imgctl agent install:-o' | 'imgctl agent install:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl agent uninstall:-o' | 'imgctl agent uninstall:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl agent deploy:--ssh') :; return ;;
  'imgctl agent deploy:--dir') _imgctl_files -d "$current"; return ;;
  'imgctl agent deploy:--ssh-option') :; return ;;
  'imgctl agent deploy:--listen') :; return ;;
  'imgctl agent deploy:--executable-dir') _imgctl_files -d "$current"; return ;;
  'imgctl agent deploy:--concurrency') :; return ;;
  'imgctl agent deploy:-o' | 'imgctl agent deploy:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl agent image:-o' | 'imgctl agent image:--output') _imgctl_files -f "$current"; return ;;
  'imgctl agent image:--tag') :; return ;;
  'imgctl agent manifest:--dir') _imgctl_files -d "$current"; return ;;
  'imgctl agent manifest:--image') :; return ;;
  'imgctl agent manifest:--namespace') :; return ;;
  'imgctl agent manifest:--distribution') _imgctl_words 'kubeadm k3s rke2 k0s microk8s' "$current"; return ;;
  'imgctl agent manifest:--store-socket') :; return ;;
  'imgctl agent manifest:--port') :; return ;;
  'imgctl agent manifest:--listen') :; return ;;
  'imgctl agent manifest:--probe-port') :; return ;;
  'imgctl agent manifest:--max-rate') :; return ;;
  'imgctl agent manifest:--images-dir') _imgctl_files -d "$current"; return ;;
  'imgctl agent manifest:--images-dir-concurrency') :; return ;;
  'imgctl agent manifest:--images-dir-verify-key') _imgctl_files -f "$current"; return ;;
  'imgctl agent manifest:--registries') _imgctl_files -f "$current"; return ;;
  'imgctl agent manifest:--hosts-dir') _imgctl_files -d "$current"; return ;;
  'imgctl registries explain:--registries') _imgctl_files -f "$current"; return ;;
  'imgctl registries explain:--hosts-dir') _imgctl_files -d "$current"; return ;;
  'imgctl registries explain:--pull-secret') :; return ;;
  'imgctl registries explain:--kubeconfig') _imgctl_files -f "$current"; return ;;
  'imgctl registries explain:--context') :; return ;;
  'imgctl registries explain:-o' | 'imgctl registries explain:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl registries render:--to') _imgctl_files -d "$current"; return ;;
  'imgctl registries render:--registries') _imgctl_files -f "$current"; return ;;
  'imgctl registries render:-o' | 'imgctl registries render:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl init:--dir') _imgctl_files -d "$current"; return ;;
  'imgctl init:--host') :; return ;;
  'imgctl init:--client') :; return ;;
  'imgctl init:-o' | 'imgctl init:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl token rotate:--dir') _imgctl_files -d "$current"; return ;;
  'imgctl token rotate:--keep') :; return ;;
  'imgctl token rotate:-o' | 'imgctl token rotate:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl ctr:-a' | 'imgctl ctr:--address') :; return ;;
  'imgctl ctr:-n' | 'imgctl ctr:--namespace') :; return ;;
  'imgctl ctr image import:-a' | 'imgctl ctr image import:--address') :; return ;;
  'imgctl ctr image import:-n' | 'imgctl ctr image import:--namespace') :; return ;;
  'imgctl ctr image import:--snapshotter') :; return ;;
  'imgctl ctr image import:--platform') :; return ;;
  'imgctl ctr image import:--tag') :; return ;;
  'imgctl ctr image import:--verify-key') _imgctl_files -f "$current"; return ;;
  'imgctl ctr image import:--retries') :; return ;;
  'imgctl ctr image import:--stall-timeout') :; return ;;
  'imgctl ctr image import:--concurrency') :; return ;;
  'imgctl ctr image import:--spool-dir') _imgctl_files -d "$current"; return ;;
  'imgctl ctr image import:-o' | 'imgctl ctr image import:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl ctr image list:-a' | 'imgctl ctr image list:--address') :; return ;;
  'imgctl ctr image list:-n' | 'imgctl ctr image list:--namespace') :; return ;;
  'imgctl ctr image list:-o' | 'imgctl ctr image list:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl ctr image rm:-a' | 'imgctl ctr image rm:--address') :; return ;;
  'imgctl ctr image rm:-n' | 'imgctl ctr image rm:--namespace') :; return ;;
  'imgctl ctr image rm:-o' | 'imgctl ctr image rm:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl ctr image tag:-a' | 'imgctl ctr image tag:--address') :; return ;;
  'imgctl ctr image tag:-n' | 'imgctl ctr image tag:--namespace') :; return ;;
  'imgctl ctr image tag:-o' | 'imgctl ctr image tag:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl ctr image export:-a' | 'imgctl ctr image export:--address') :; return ;;
  'imgctl ctr image export:-n' | 'imgctl ctr image export:--namespace') :; return ;;
  'imgctl ctr image export:--platform') :; return ;;
  'imgctl ctr image export:-o' | 'imgctl ctr image export:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl config view:--nodes') :; return ;;
  'imgctl config view:--discover') :; return ;;
  'imgctl config view:--selector') :; return ;;
  'imgctl config view:--exclude') :; return ;;
  'imgctl config view:--kubeconfig') _imgctl_files -f "$current"; return ;;
  'imgctl config view:--context') :; return ;;
  'imgctl config view:--agent-port') :; return ;;
  'imgctl config view:--ca-file') _imgctl_files -f "$current"; return ;;
  'imgctl config view:--cert') _imgctl_files -f "$current"; return ;;
  'imgctl config view:--key') _imgctl_files -f "$current"; return ;;
  'imgctl config view:--token-file') _imgctl_files -f "$current"; return ;;
  'imgctl config view:--config') _imgctl_files -f "$current"; return ;;
  'imgctl config view:--driver') _imgctl_words 'auto imgctl microk8s' "$current"; return ;;
  'imgctl config view:--microk8s-token-file') _imgctl_files -f "$current"; return ;;
  'imgctl config view:--microk8s-ca') _imgctl_files -f "$current"; return ;;
  'imgctl config view:-o' | 'imgctl config view:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl config use:--config') _imgctl_files -f "$current"; return ;;
  'imgctl config use:-o' | 'imgctl config use:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl config set:--context') :; return ;;
  'imgctl config set:--config') _imgctl_files -f "$current"; return ;;
  'imgctl config set:-o' | 'imgctl config set:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl config unset:--context') :; return ;;
  'imgctl config unset:--config') _imgctl_files -f "$current"; return ;;
  'imgctl config unset:-o' | 'imgctl config unset:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  'imgctl doctor:--nodes') :; return ;;
  'imgctl doctor:--discover') :; return ;;
  'imgctl doctor:--selector') :; return ;;
  'imgctl doctor:--exclude') :; return ;;
  'imgctl doctor:--kubeconfig') _imgctl_files -f "$current"; return ;;
  'imgctl doctor:--context') :; return ;;
  'imgctl doctor:--agent-port') :; return ;;
  'imgctl doctor:--ca-file') _imgctl_files -f "$current"; return ;;
  'imgctl doctor:--cert') _imgctl_files -f "$current"; return ;;
  'imgctl doctor:--key') _imgctl_files -f "$current"; return ;;
  'imgctl doctor:--token-file') _imgctl_files -f "$current"; return ;;
  'imgctl doctor:--config') _imgctl_files -f "$current"; return ;;
  'imgctl doctor:--driver') _imgctl_words 'auto imgctl microk8s' "$current"; return ;;
  'imgctl doctor:--microk8s-token-file') _imgctl_files -f "$current"; return ;;
  'imgctl doctor:--microk8s-ca') _imgctl_files -f "$current"; return ;;
  'imgctl doctor:-o' | 'imgctl doctor:--output') _imgctl_words 'text json ndjson' "$current"; return ;;
  esac

  if [[ $current == -* ]]; then
    case $command in
    'imgctl') _imgctl_words '-V --version -h --help' "$current" ;;
    'imgctl images') _imgctl_words '-h --help' "$current" ;;
    'imgctl images import') _imgctl_words '--nodes --discover --selector --exclude --kubeconfig --context --agent-port --ca-file --cert --key --token-file --config --driver --microk8s-token-file --microk8s-ca --platform --all-platforms --tag --verify-key --pin --no-unpack --retries --stall-timeout --concurrency --spool-dir --relay --max-rate --wire-compression --no-stream --strict --dry-run -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl images pull') _imgctl_words '-f --file --nodes --discover --selector --exclude --kubeconfig --context --agent-port --ca-file --cert --key --token-file --config --driver --microk8s-token-file --microk8s-ca --registries --hosts-dir --pull-secret --platform --all-platforms --pin --no-unpack --retries --stall-timeout --max-parallel --via --max-rate --strict --dry-run -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl images list') _imgctl_words '--nodes --discover --selector --exclude --kubeconfig --context --agent-port --ca-file --cert --key --token-file --config --driver --microk8s-token-file --microk8s-ca -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl images rm') _imgctl_words '--nodes --discover --selector --exclude --kubeconfig --context --agent-port --ca-file --cert --key --token-file --config --driver --microk8s-token-file --microk8s-ca -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl images sync') _imgctl_words '--from --to --nodes --discover --selector --exclude --kubeconfig --context --agent-port --ca-file --cert --key --token-file --config --driver --microk8s-token-file --microk8s-ca --platform --all-platforms --pin --no-unpack --retries --stall-timeout --strict --dry-run -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl images dir') _imgctl_words '-h --help' "$current" ;;
    'imgctl images dir status') _imgctl_words '--nodes --discover --selector --exclude --kubeconfig --context --agent-port --ca-file --cert --key --token-file --config --driver --microk8s-token-file --microk8s-ca -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl bundle') _imgctl_words '-h --help' "$current" ;;
    'imgctl bundle create') _imgctl_words '-f --file --from-cluster --kubeconfig --context --from-archive --base --no-signatures --sign --sign-password-file --split --max-parallel -o --out --registries --hosts-dir --pull-secret --spool-dir --platform --all-platforms --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl bundle inspect') _imgctl_words '--spool-dir -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl bundle keygen') _imgctl_words '--password --password-file -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl bundle verify') _imgctl_words '--platform --base --verify-key --spool-dir -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl nodes') _imgctl_words '-h --help' "$current" ;;
    'imgctl nodes list') _imgctl_words '--nodes --discover --selector --exclude --kubeconfig --context --agent-port --ca-file --cert --key --token-file --config --driver --microk8s-token-file --microk8s-ca -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl agent') _imgctl_words '-h --help' "$current" ;;
    'imgctl agent run') _imgctl_words '--listen --store --namespace --snapshotter --name --data-dir --token-file --tls-cert --tls-key --ca-file --client-ca --probe-listen --insecure-http --max-imports --max-rate --registries --hosts-dir --images-dir --images-dir-concurrency --images-dir-prune --images-dir-verify-key -h --help' "$current" ;;
    'imgctl agent install') _imgctl_words '--dir --listen --store --name --insecure-http --executable --dry-run -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl agent uninstall') _imgctl_words '--purge -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl agent deploy') _imgctl_words '--ssh --dir --ssh-option --listen --executable-dir --concurrency -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl agent image') _imgctl_words '-o --output --tag -h --help' "$current" ;;
    'imgctl agent manifest') _imgctl_words '--dir --image --namespace --distribution --store-socket --port --listen --mutual-tls --probe-port --max-rate --images-dir --images-dir-concurrency --images-dir-prune --images-dir-verify-key --registries --hosts-dir -h --help' "$current" ;;
    'imgctl registries') _imgctl_words '-h --help' "$current" ;;
    'imgctl registries explain') _imgctl_words '--registries --hosts-dir --pull-secret --kubeconfig --context -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl registries render') _imgctl_words '--to --registries -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl init') _imgctl_words '--dir --renew --host --client -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl token') _imgctl_words '-h --help' "$current" ;;
    'imgctl token rotate') _imgctl_words '--dir --keep -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl ctr') _imgctl_words '-a --address -n --namespace -h --help' "$current" ;;
    'imgctl ctr image') _imgctl_words '-h --help' "$current" ;;
    'imgctl ctr image import') _imgctl_words '-a --address -n --namespace --snapshotter --platform --all-platforms --tag --verify-key --pin --no-unpack --retries --stall-timeout --concurrency --spool-dir --dry-run -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl ctr image list') _imgctl_words '-a --address -n --namespace -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl ctr image rm') _imgctl_words '--sync -a --address -n --namespace -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl ctr image tag') _imgctl_words '--force -a --address -n --namespace -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl ctr image export') _imgctl_words '-a --address -n --namespace --platform --all-platforms -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl config') _imgctl_words '-h --help' "$current" ;;
    'imgctl config view') _imgctl_words '--nodes --discover --selector --exclude --kubeconfig --context --agent-port --ca-file --cert --key --token-file --config --driver --microk8s-token-file --microk8s-ca -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl config use') _imgctl_words '--config -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl config set') _imgctl_words '--context --config -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl config unset') _imgctl_words '--context --config -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl doctor') _imgctl_words '--nodes --discover --selector --exclude --kubeconfig --context --agent-port --ca-file --cert --key --token-file --config --driver --microk8s-token-file --microk8s-ca -o --output -q --quiet --no-progress --no-color -h --help' "$current" ;;
    'imgctl completion') _imgctl_words '-h --help' "$current" ;;
    'imgctl help') _imgctl_words '' "$current" ;;
    esac
    return
  fi

  case $command in
  'imgctl') _imgctl_words 'images image bundle nodes node agent registries registry init token ctr config doctor completion help' "$current" ;;
  'imgctl images') _imgctl_words 'import pull list ls rm remove sync dir' "$current" ;;
  'imgctl images import') _imgctl_files -f "$current" ;;
  'imgctl images dir') _imgctl_words 'status' "$current" ;;
  'imgctl bundle') _imgctl_words 'create inspect keygen verify' "$current" ;;
  'imgctl bundle inspect') _imgctl_files -f "$current" ;;
  'imgctl bundle verify') _imgctl_files -f "$current" ;;
  'imgctl nodes') _imgctl_words 'list ls' "$current" ;;
  'imgctl agent') _imgctl_words 'run install uninstall deploy image manifest' "$current" ;;
  'imgctl registries') _imgctl_words 'explain render' "$current" ;;
  'imgctl token') _imgctl_words 'rotate' "$current" ;;
  'imgctl ctr') _imgctl_words 'image images i' "$current" ;;
  'imgctl ctr image') _imgctl_words 'import list ls rm remove delete del tag export' "$current" ;;
  'imgctl ctr image import') _imgctl_files -f "$current" ;;
  'imgctl ctr image export') _imgctl_files -f "$current" ;;
  'imgctl config') _imgctl_words 'view use set unset' "$current" ;;
  'imgctl completion') _imgctl_words 'bash zsh fish' "$current" ;;
  'imgctl help') _imgctl_words 'images bundle nodes agent registries init token ctr config doctor completion' "$current" ;;
  esac
}

complete -F _imgctl imgctl
