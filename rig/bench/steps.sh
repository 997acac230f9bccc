# SPDX-License-Identifier: GPL-2.0
# What rig/bench.py walks through: ways to registers that are not the PMU's,
# and a few interrupts.
. "${0%/*}/lib.sh"
N=50000000
PERIOD=5000000
case $RIG_CPU in
intel) inside=0x1a0 ;;		# IA32_MISC_ENABLE, between the PMU's registers
*) inside=0xc0010015 ;;		# HWCR, likewise
esac

for number in 0x10 $inside; do
	msr $number
done
# Without a vPMU there are none.
$perf record -q -e instructions -c $PERIOD -o perf.data -- loop $N
