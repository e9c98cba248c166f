# What a person types. Each target is one line of work; the rest is in scripts/.

BUNDLE ?= models/demo.aecsad
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Category folders to measure the peers on as well: make bench PEERS="data/solar-cells"
PEERS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test hil aarch64 bench lint figures gpu-check

help:
	@echo 'make demo     build, then pass 60 parts over a simulated line and show what is rejected'
	@echo 'make test     install what testing needs, then run the tests'
	@echo 'make hil      the station in a virtual machine: real camera interface, serial lines, watchdog'
	@echo 'make aarch64  the runtime built for ARM and run under qemu on golden images'
	@echo 'make bench    how long frames and networks take, beside ONNX Runtime; PEERS="DIR..." measures PaDiM and PatchCore too'
	@echo 'make lint     formatting, clippy, file sizes'
	@echo 'make gpu-check  the CUDA build against the CPU and PyTorch, and a whole fit; without a GPU only that it says so'
	@echo 'make figures  train and measure everything behind the table in README.md (hours)'

demo:
	scripts/install-build-tools.sh
	cargo build --release
	$(TARGET)/release/aecsad demo

test:
	scripts/test.sh

hil:
	tests/hil/run.sh

aarch64:
	tests/aarch64/run.sh

bench:
	benches/speed/run.sh
	$(TARGET)/release/aecsad bench --bundle $(BUNDLE)
ifneq ($(strip $(PEERS)),)
	benches/peers/run.sh $(PEERS)
endif

lint:
	cargo fmt --all --check
	cargo lints
	scripts/check-sizes.sh

figures:
	scripts/figures.sh

gpu-check:
	benches/gpu/check.sh
