# SPDX-License-Identifier: GPL-2.0
# about: random programs on perf_event_open(), on a kernel that checks locks, sleeping, memory
# cpus: amd intel
# kernel: checked
# kernels: ours
# run: soak
# smp: 2
# linux: nmi_watchdog=1 rig_seed=SEEDS
# timeout: 900
. "${0%/*}/fuzz.sh"
