#!/usr/bin/env bash
# Brings real containerd daemons of three generations onto a Debian machine, side by side, for the tests, and
# a registry, $IMGCTL_CONTAINERD_HOME/registry/usr/bin/docker-registry:
#
#     $IMGCTL_CONTAINERD_HOME/<major.minor>/usr/bin/{containerd,ctr,containerd-shim-runc-v2,…}
#
# Each comes from another Debian suite and is unpacked without being installed: the binaries need libc alone.
# Run it as often as you like: what is there stays. To fetch a suite's newest version, delete its folder first.
set -euo pipefail

home=${IMGCTL_CONTAINERD_HOME:-/var/cache/imgctl-test/containerd}
suites=(bookworm trixie sid)                      # containerd 1.6, 1.7 and 2.x
packages=(runc busybox-static umoci skopeo minisign bzip2 xz-utils lz4 zstd zsh fish curl e2fsprogs iproute2 openssh-server openssh-client systemd)

export DEBIAN_FRONTEND=noninteractive LC_ALL=C
scratch=

fail() { printf 'install.sh: %s\n' "$*" >&2; exit 1; }

# The machine's lists are often deleted from container images; asking for them again is slow, so only when needed.
# A foreign source that cannot be reached must not stop us: whatever is really missing fails right after.
update_machine_lists() { apt-get -qq update || true; }

has_packages() {
  local name
  for name in "${packages[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || return 1
  done
}

install_packages() {
  has_packages && return
  apt-get -qq install -y --no-install-recommends "${packages[@]}" >/dev/null 2>&1 && return
  update_machine_lists
  apt-get -qq install -y --no-install-recommends "${packages[@]}" >/dev/null
}

# Unpacked, not installed: a registry that starts by itself on this machine is nobody's wish.
unpack_registry() {
  [[ -x $home/registry/usr/bin/docker-registry ]] && return
  local into
  into=$(mktemp -d "$home/.registry-XXXXXX")
  (cd "$into" && apt-get -qq -o APT::Sandbox::User=root download docker-registry >/dev/null 2>&1) ||
    { update_machine_lists; (cd "$into" && apt-get -qq -o APT::Sandbox::User=root download docker-registry >/dev/null); }
  dpkg -x "$into"/docker-registry_*.deb "$into/root"
  rm -rf "$home/registry"
  mv "$into/root" "$home/registry"
  rm -rf "$into"
}

# A folder counts once its .suite file is there: it is moved into place whole, by one rename.
folder_of_suite() {
  local stamp
  for stamp in "$home"/*/.suite; do
    [[ -f $stamp && $(<"$stamp") == "$1" ]] && { dirname "$stamp"; return; }
  done
  return 1
}

# apt itself reads the machine's sources, in either format, and says where Debian's own archive is.
debian_archive() {
  apt-get indextargets --format '$(REPO_URI) $(SIGNED_BY)' \
    'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' | sed -n 1p
}

# State folders of its own: neither the machine's lists nor its pins are touched or looked at.
own_apt() {
  local command=$1; shift
  "$command" -o Dir::Etc::sourcelist="$scratch/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
    -o Dir::State::Lists="$scratch/lists" -o Dir::Cache="$scratch/cache" -o Acquire::Languages=none \
    -o APT::Sandbox::User=root "$@"
}

prepare_own_apt() {
  local archive keyring suite
  archive=$(debian_archive)
  [[ -n $archive ]] || { update_machine_lists; archive=$(debian_archive); }
  [[ -n $archive ]] || fail "none of this machine's apt sources is a Debian archive that answers"
  read -r archive keyring <<<"$archive"
  # Sources without a Signed-By leave the variable unreplaced.
  [[ $keyring == /* ]] || keyring=/usr/share/keyrings/debian-archive-keyring.gpg

  mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial"
  for suite in "$@"; do
    printf 'deb [signed-by=%s target=Packages] %s %s main\n' "$keyring" "$archive" "$suite"
  done >"$scratch/sources.list"
  own_apt apt-get -qq update
}

# madison lists the newest first.
newest_version() {
  own_apt apt-cache madison containerd |
    awk -F ' *[|] *' -v suite="$1" '$3 ~ (" " suite "/main ") && !found { print $2; found = 1 }'
}

# The folder's name is what the binary says of itself: a suite moves on, and the tests should say so.
unpack_suite() {
  local suite=$1 version said generation
  version=$(newest_version "$suite")
  [[ -n $version ]] || fail "the suite $suite has no containerd"

  mkdir "$scratch/$suite"
  (cd "$scratch/$suite" && own_apt apt-get -qq download "containerd=$version" >/dev/null)
  dpkg -x "$scratch/$suite"/containerd_*.deb "$scratch/$suite/root"
  said=$("$scratch/$suite/root/usr/bin/containerd" --version) || fail "containerd $version of $suite does not run here"
  [[ $said =~ [[:space:]]v?([0-9]+\.[0-9]+)\.[0-9] ]] || fail "containerd of $suite says no version: $said"
  generation=${BASH_REMATCH[1]}

  printf '%s\n' "$suite" >"$scratch/$suite/root/.suite"
  rm -rf "${home:?}/$generation"
  mv "$scratch/$suite/root" "$home/$generation"
}

main() {
  [[ $EUID == 0 ]] || fail 'needs root: containerd, and the tests that use it, do too'
  command -v apt-get >/dev/null || fail 'needs Debian: the daemons come from its suites'

  mkdir -p "$home"
  exec 9>"$home/.lock"
  flock 9                                         # two checkouts may share the folder

  install_packages
  unpack_registry

  local suite missing=()
  for suite in "${suites[@]}"; do
    folder_of_suite "$suite" >/dev/null || missing+=("$suite")
  done

  if ((${#missing[@]})); then
    # Inside the home, so that the last step is a rename and not a copy.
    scratch=$(mktemp -d "$home/.fetch-XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    prepare_own_apt "${missing[@]}"
    for suite in "${missing[@]}"; do unpack_suite "$suite"; done
  fi

  for suite in "${suites[@]}"; do
    local folder
    folder=$(folder_of_suite "$suite")
    printf '%-9s %-9s %s\n' "${folder##*/}" "$suite" "$("$folder/usr/bin/containerd" --version)"
  done
  printf '%-9s %-9s %s\n' registry '' "$("$home/registry/usr/bin/docker-registry" --version)"
  printf '%-9s %-9s %s\n' runc '' "$(runc --version | sed -n 1p)"
}

main
