# SPDX-License-Identifier: GPL-2.0
# about: a CPU goes and comes back many times, under perf and the lockup detector
# cpus: amd intel
# kernel: lockup
# kernels: ours
# smp: 2
# linux: nmi_watchdog=1
# timeout: 400
ROUNDS=20
. "${0%/*}/storm.sh"
online=/sys/devices/system/cpu/cpu1/online

round() {
	echo 0 >$online && echo 1 >$online
}

ready
storm round
check "CPU 1 is back" [ "$(cat $online)" = 1 ]
calm
