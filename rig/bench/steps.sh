# SPDX-License-Identifier: GPL-2.0
# What rig/bench.py walks through: the ways to registers that are not the PMU's,
# and interrupts, which are also counted: snapshots 1 and 2.
. "${0%/*}/lib.sh"
N=100000000
PERIOD=1000000
case $RIG_CPU in
intel) inside=0x1a0 ;;		# IA32_MISC_ENABLE, between the PMU's registers
*) inside=0xc0010015 ;;		# HWCR, likewise
esac

for number in 0x10 $inside; do	# 10h, the TSC, is outside them
	msr $number >/dev/null
done
# Without a vPMU there are no interrupts.
port 1
$perf record -q -e instructions -c $PERIOD -o perf.data -- loop $N
port 2
