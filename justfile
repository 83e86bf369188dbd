# One command per intent. `just` lists them; without just, the lines below work in any shell.

# List the commands.
default:
    @just --list --unsorted

# See it work: backends, rules, TLS and the curl lines to try.
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# Everything that continuous integration runs, or some steps of it: just test fmt lint test
test *STEPS:
    tests/run.sh {{STEPS}}

# Format the code.
fmt:
    cargo fmt

# Format and lint check, documentation too.
lint:
    tests/run.sh fmt lint doc

# Dependencies: duplicates, licences, sources.
deny:
    tests/run.sh deny

# Dependencies: known vulnerabilities (fetches the advisory database).
audit:
    cargo deny check advisories

# Write the golden files of the compiler and of admission anew; read the difference before you commit it.
golden:
    UPDATE_GOLDEN=1 cargo test --test compile --test admission
    git diff --stat -- tests/compile tests/admission

# The Helm chart: lint, golden files, refused values, rights (UPDATE_GOLDEN=1 writes the golden files anew).
chart *ARGS:
    tests/chart/run.sh {{ARGS}}

# Beside nginx and HAProxy: just bench --quick small big connect https hosts idle changes propagation
bench *ARGS:
    benches/proxy/run.sh {{ARGS}}

# Time of compiling and routing.
criterion *ARGS:
    cargo bench --bench compile --bench routing -- {{ARGS}}

# Slipway in a real Kubernetes on this machine (root): just cluster
cluster:
    tests/run.sh cluster

# Thousands of Ingresses in a real API server: just bench-cluster --starts 3
bench-cluster *ARGS:
    cargo build --quiet --release
    python3 benches/cluster/run.py {{ARGS}}

# The service proxy beside kube-proxy, 10,000 Services: just bench-l4 --many 1000
bench-l4 *ARGS:
    cargo build --release --quiet
    python3 benches/l4/run.py {{ARGS}}

# The DNS server beside CoreDNS and a bare UDP echo: just bench-dns --rounds 3 hit miss
bench-dns *ARGS:
    cargo build --release --quiet
    cargo bench --no-run --quiet --bench dns_echo
    python3 benches/dns/run.py {{ARGS}}
