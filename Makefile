# SPDX-License-Identifier: GPL-2.0
# For people. All of the work is done by rig/run.

LINE ?= 6.12
RIG := LINE=$(LINE) rig/run

# Where xen-profile goes.
PREFIX ?= /usr/local
DESTDIR ?=

# The build folder of the kernel that the module is for.
KDIR ?= /lib/modules/$(shell uname -r)/build

.PHONY: help demo test soak kunit mutants e2e machines lint picture bench kernel baseline qemu page deb series series-check \
	install module clean

help:
	@echo "make demo             perf in a Xen dom0, AMD and Intel: Debian's kernel as it is and"
	@echo "                          with the module, and a flame graph"
	@echo "make test             everything: lint, unit tests, cases on real Xen, the picture"
	@echo "make soak             what takes hours: storms, random programs, hostile pages"
	@echo "                          [PART=names] [SCALE=n: an n-th of it]"
	@echo "make kunit            the unit tests, against a model of Xen's vPMU"
	@echo "                          [SUITE=name] [ARGS=parameters] [CONFIG=plain|debug|eager|races]"
	@echo "make mutants          the unit tests against faults, each of which they must find"
	@echo "                          [MUTANT=text in its line of tests/mutants]"
	@echo "make e2e              the cases on real Xen [CASE=name] [CPU=amd|intel|...]"
	@echo "                          [KERNELS=ours|baseline|stock|eager]"
	@echo "                          [ROUNDS=n, of a storm]"
	@echo "make machines         perf on every processor and both Xens: docs/machines.md [CPU=names]"
	@echo "make lint             W=1, sparse, checkpatch, the ABI and the scripts' own tests"
	@echo "make picture          the demonstration, its flame graph opened in headless Chromium"
	@echo "make bench            what it costs, ours beside upstream's: docs/bench.md"
	@echo "make kernel           our kernel: build/$(LINE)/arch/x86/boot/bzImage"
	@echo "make baseline         the same kernel without us: build/$(LINE)-baseline/"
	@echo "make qemu             the QEMU that has a PMU"
	@echo "make series           the same as patches for git am: build/series/$(LINE)/ [SIGNOFF=\"Name <address>\"]"
	@echo "make series-check     them in a pristine tree, compiled after each patch, and checkpatch"
	@echo "                          [BOOT=1: booted on Xen at four points]"
	@echo "make module           the module for an unpatched kernel [KDIR=its build folder]: docs/module.md"
	@echo "make deb              xen-pmu-dkms and xen-profile as Debian packages, in build/deb/"
	@echo "make install          xen-profile, into DESTDIR=$(DESTDIR) PREFIX=$(PREFIX): docs/profile.md"
	@echo "make clean            removes build/ (downloads and caches stay)"
	@echo
	@echo "Variables: LINE=$(LINE) (kernel line), KSRC=, QEMU_SRC= and XEN= (local copies of"
	@echo "the kernel's and QEMU's source and of Xen), XENS=\"4.17 4.20\" (which Xens),"
	@echo "JOBS= (compilers at a time)."
	@echo "To put the module into a kernel tree of your own: scripts/apply TREE"
	@echo "To compare two patch sets on two kernels: scripts/metadiff --help"

module:
	@module/build "$(KDIR)"

demo test soak kunit mutants lint picture bench kernel baseline qemu page deb series series-check:
	@$(RIG) $@

e2e:
	@$(RIG) e2e "$(CASE)" "$(CPU)" "$(KERNELS)"

machines:
	@$(RIG) machines "$(CPU)"

install: page
	install -D -m 755 tools/xen-profile "$(DESTDIR)$(PREFIX)/bin/xen-profile"
	install -D -m 644 build/xen-profile/page.html "$(DESTDIR)$(PREFIX)/share/xen-profile/page.html"

clean:
	rm -rf build
