# SPDX-License-Identifier: GPL-2.0
# about: the same under Xen's scheduler null, a processor for each vCPU
# cpus: amd intel
# kernels: ours
# smp: 2
# xen: sched=null
# timeout: 400
. "${0%/*}/crowd.sh"
