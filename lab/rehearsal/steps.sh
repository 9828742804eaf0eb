# The rehearsal's step of .ci/run, which sets the variables.
# shellcheck shell=bash disable=SC2154

step_rehearsal() {
  export DEBIAN_FRONTEND=noninteractive
  # Debian would start the servers that it installs.
  local policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod +x "$policy"
    # shellcheck disable=SC2064
    trap "as_root rm -f $policy" RETURN
  fi
  as_root apt-get -qq install --yes --no-install-recommends mariadb-server galera-4 postgresql patroni \
    python3-etcd etcd-server php-cli php-mysql php-pgsql iproute2
  cargo build --locked --workspace --bin rehearse
  # Under six minutes on two cores.
  as_root target/debug/rehearse --function "$bootstrap" --out target/rehearsal --limit 360
}
