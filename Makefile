# SPDX-License-Identifier: GPL-2.0
# For people. All of the work is done by rig/run.

LINE ?= 6.12
RIG := LINE=$(LINE) rig/run

.PHONY: help demo test kunit e2e lint picture bench kernel baseline qemu clean

help:
	@echo "make demo             perf at work in a Xen dom0, on AMD and Intel, and a flame graph"
	@echo "make test             everything: lint, unit tests, cases on real Xen, the picture"
	@echo "make kunit            the unit tests, against a model of Xen's vPMU"
	@echo "make e2e              the cases on real Xen [CASE=name] [CPU=amd|intel|amd10h]"
	@echo "                          [KERNELS=ours|baseline]"
	@echo "make lint             W=1, sparse, checkpatch and the ABI"
	@echo "make picture          the demonstration, its flame graph opened in headless Chromium"
	@echo "make bench            what it costs, ours beside upstream's: docs/bench.md"
	@echo "make kernel           our kernel: build/$(LINE)/arch/x86/boot/bzImage"
	@echo "make baseline         the same kernel without us: build/$(LINE)-baseline/"
	@echo "make qemu             the QEMU that has a PMU"
	@echo "make clean            removes build/ (downloads and caches stay)"
	@echo
	@echo "Variables: LINE=$(LINE) (kernel line), KSRC=, QEMU_SRC= and XEN= (local copies of"
	@echo "the kernel's and QEMU's source and of Xen), JOBS= (compilers at a time)."
	@echo "To put the module into a kernel tree of your own: scripts/apply TREE"

demo test kunit lint picture bench kernel baseline qemu:
	@$(RIG) $@

e2e:
	@$(RIG) e2e "$(CASE)" "$(CPU)" "$(KERNELS)"

clean:
	rm -rf build
