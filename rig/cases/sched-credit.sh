# SPDX-License-Identifier: GPL-2.0
# about: the same under Xen's scheduler credit, with four vCPUs
# cpus: amd intel
# kernels: ours
# smp: 4
# xen: sched=credit maxcpus=2
# timeout: 400
. "${0%/*}/crowd.sh"
