# SPDX-License-Identifier: GPL-2.0
# about: arch/x86/xen with a stack canary in every function boots and counts
# cpus: amd intel
# kernel: ssp
# kernels: ours
. "${0%/*}/stat.sh"
