# SPDX-License-Identifier: GPL-2.0
# about: random programs on perf_event_open(): the kernel lives, and counts right
# cpus: amd intel
# kernel: lockup
# kernels: ours
# xens: 4.17 4.20
# smp: 2
# linux: nmi_watchdog=1 rig_seed=SEEDS
# timeout: 900
# A seed may say more: SEED:LAST:FIRST:LEFT-OUT:..., as `rig/run shrink` does.
ROUNDS=150
. "${0%/*}/storm.sh"
max_rate=/proc/sys/kernel/perf_event_max_sample_rate
percent=/proc/sys/kernel/perf_cpu_time_max_percent
brake=25	# percent of the time, as it is outside of the rig
if [ "${0##*/}" != fuzz.sh ]; then
	# What checks has instructions of its own, in every tick and system call.
	OWN=$((OWN + 16))
	# An interrupt's way is more than four times as long as its handler here, and so no part
	# of what is braked (WAY in interrupt.c): at 25 they would be all of the time.
	brake=5
	# KASAN keeps what was freed, up to a 32nd of the memory.
	SPARE=$((SPARE + 6000))
fi

ready
# Without a brake an overflow behind every instruction would leave no time for anything else.
rate=$(cat $max_rate)
echo $brake >$percent
for seed in $(echo "${RIG_SEED:-1}" | tr + ' '); do
	set -- $(echo "$seed" | tr : ' ')
	[ $# -gt 1 ] || set -- "$1" "$ROUNDS"
	echo "# fuzz $*"
	if fuzz "$@" >fuzz.out 2>&1; then
		pass "seed $1: every process ends"
	else
		fail "seed $1: every process ends" "$(grep -v '^fuzz' fuzz.out | head -1)"
	fi
	sed -n 's/^fuzz/# fuzz/p' fuzz.out
done
# With the brake off Linux refuses a rate; and with it on may lower it again.
until echo "$rate" >$max_rate && echo 0 >$percent && [ "$(cat $max_rate)" = "$rate" ]; do
	echo $brake >$percent
done
calm
