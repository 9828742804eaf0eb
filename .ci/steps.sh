# The steps of .ci/run, a function each.

export PATH=$PWD/target/ci-venv/bin:$PWD/target/ci-tools/bin:$PATH
export AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0

as_root() {
  if ((EUID == 0)); then "$@"; else sudo --preserve-env=DEBIAN_FRONTEND "$@"; fi
}

step_system() {
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get -qq update
  # Compilers for ring and libFuzzer; venv for the Python tools.
  as_root apt-get -qq install --yes --no-install-recommends build-essential git python3-venv
}

step_tools() {
  python3 -m venv target/ci-venv
  target/ci-venv/bin/pip install --quiet --requirement .ci/requirements.txt
  # Built without optimisation: they run for seconds.
  cargo install --quiet --locked --debug --root target/ci-tools cargo-deny@0.20.2 cargo-fuzz@0.13.2
}

step_lint() {
  cargo fetch --locked
  cargo fmt --all --check
  cargo clippy --locked --workspace --all-targets -- --deny warnings
}

step_deny() {
  # Not `advisories`: their database is no package of a registry. The workflow checks them.
  cargo deny --locked check bans licenses sources
}

step_template() {
  cfn-lint template.yaml
  sam validate --lint
}

step_test() {
  cargo test
}

step_docs() {
  RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps
}

readonly bootstrap=target/bootstrap

# The package as `sam build` makes it, and the function for this machine, built by the same cargo-lambda.
step_package() {
  local arm64=aarch64-unknown-linux-gnu
  local sam=(sam build --build-dir target/sam)
  if [[ -d $(rustc --print sysroot)/lib/rustlib/$arm64 ]]; then
    "${sam[@]}"
    cargo lambda build --release --locked --package rds-route53-failover
    cp target/lambda/rds-route53-failover/bootstrap "$bootstrap"
  else
    echo "NOT CHECKED: the package for arm64, as this machine has no Rust target $arm64; built for x86_64 instead"
    sed 's/Architectures: \[arm64\]/Architectures: [x86_64]/' template.yaml >target/template-x86_64.yaml
    "${sam[@]}" --template-file target/template-x86_64.yaml --base-dir .
    cp target/sam/Function/bootstrap "$bootstrap"
  fi
}

step_end_to_end() {
  python3 .ci/end_to_end.py "$bootstrap"
}

step_benchmark() {
  # Other work on the same cores must not fail it: the README's table is made without `--noise`.
  BINARY=$bootstrap lab/bench/run --quick --check --noise 2
}

step_drill() {
  cargo run --locked --example drill -- --all
}

step_fuzz() {
  # Checked, not measured: without link-time optimisation they build in minutes.
  export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1
  local targets target
  targets=$(cargo +nightly fuzz list)
  for target in ${targets:?no fuzz target}; do
    cargo +nightly fuzz run "$target" -- -max_total_time=20
  done
}
