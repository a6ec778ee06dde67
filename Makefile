# What people and CI do with this repository. The lab's own commands: examples/lab/lab help
.POSIX:
.PHONY: help build demo demo-lab demo-down test test-lab test-build torture bench lint install clean

lab = examples/lab/lab
binary = $${CARGO_TARGET_DIR:-target}/release/kuboard-ha

help:
	@echo 'make demo       build a highly available Kuboard on eight hosts of a lab on this machine (Debian 12, root or sudo)'
	@echo 'make demo-down  remove that lab'
	@echo 'make test       all tests, those on lab hosts included'
	@echo 'make torture    kills `up` and what it runs on 200 times, interrupts it in every way there is, and reads the hosts after each (KILLS=50, KUBOARD_HA_SEED=N)'
	@echo 'make bench      race the tool against a shell script per host, pyinfra and Ansible (hours; see benches/README.md)'
	@echo 'make lint       format, clippy, shellcheck'
	@echo 'make install    put kuboard-ha where cargo puts programs'
	@echo 'make clean      remove every lab, its images and its cache'

build:
	cargo build --release --locked

demo-lab:
	@$(lab) prepare
	@$(lab) boot --topology eight

# The lab and the tool are made side by side, once there is a linker.
demo:
	@$(lab) prepare --packages
	@$(MAKE) --no-print-directory -j 2 demo-lab build
	@$(lab) inventory eight > "$$($(lab) dir)/inventory.yaml"
	$(binary) up "$$($(lab) dir)/inventory.yaml"
	@$(binary) status "$$($(lab) dir)/inventory.yaml"
	@echo
	@echo "Open http://$$(sed -n 's/^  address: //p' "$$($(lab) dir)/inventory.yaml")/ (a stand-in for Kuboard answers there)."
	@echo "Play on: $(lab) help, $(binary) plan $$($(lab) dir)/inventory.yaml. The end: make demo-down"

demo-down:
	@$(lab) down --lab demo --images

# Levels that need hosts find them through examples/lab/lab, each in a lab of its own name and subnet. Slow levels go below.
# What the lab needs and the tests are made side by side.
test:
	@$(lab) prepare --packages
	@$(MAKE) --no-print-directory -j 2 test-lab test-build
	cargo test --locked --no-fail-fast

test-lab:
	@$(lab) prepare --tests

test-build:
	cargo test --locked --no-run

# The same harness that `make test` runs with 20; its report lies in target/torture/ afterwards.
torture:
	@$(lab) prepare --tests
	KUBOARD_HA_KILLS=$${KILLS:-200} cargo test --locked --test lab torture::torture -- --exact --nocapture

# Alone on the machine, or its figures mean little.
bench:
	benches/run

lint:
	cargo fmt --all --check
	cargo clippy --locked --all-targets -- -D warnings
	@command -v shellcheck > /dev/null || { echo 'shellcheck is missing: apt-get install shellcheck'; exit 1; }
	shellcheck -x -a $(lab) examples/lab/recipes/* examples/lab/host/* .ci/run benches/run benches/peers/floor/run

install:
	cargo install --path . --locked

clean:
	@$(lab) clean
