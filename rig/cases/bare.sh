# SPDX-License-Identifier: GPL-2.0
# about: the same kernel without Xen: native perf counts right and ours is inert
# cpus: amd intel
# boot: bare
. "${0%/*}/lib.sh"
N=400000000

count instructions loop $N
close_to "instructions of a program of $N" "$(counted instructions)" $N $OWN
figure instructions "$(percent "$(counted instructions)" $N)" %
count cycles loop $N
close_to "cycles of that program" "$(counted cycles)" $((CYCLES * N)) $OWN
figure cycles "$(percent "$(counted cycles)" $((CYCLES * N)))" %

N=500000000
PERIOD=461803	# out of step with loop's rounds: 4.61803 of them
record instructions $PERIOD loop $N
close_to "samples, one every $PERIOD" "$(samples)" $((N / PERIOD)) 2
figure samples "$(samples)"
near "share of hot" "$(share hot)" 60 3
figure hot "$(share hot)" %

check "no interrupt line of a Xen PMU" none "$(grep -c ' pmu[0-9]*$' /proc/interrupts)"
pmu_messages | sed "s/^/# /"
check "not a word of a Xen PMU in the log" none "$(pmu_messages | wc -l)"
done_testing
