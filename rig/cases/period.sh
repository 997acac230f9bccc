# SPDX-License-Identifier: GPL-2.0
# about: an overflow behind every instruction: perf's brake leaves time for programs
# cpus: amd intel
# smp: 2
# timeout: 120
. "${0%/*}/lib.sh"
N=3000000
rate=/proc/sys/kernel/perf_event_max_sample_rate
percent=/proc/sys/kernel/perf_cpu_time_max_percent

# As it is outside of the rig
echo 25 >$percent
for event in instructions:u instructions cycles; do
	for period in 1 30 1000; do
		echo 100000 >$rate
		name="$event, every $period"
		start=$(cut -d' ' -f1 /proc/uptime)
		check "$name: the program ends" timeout -s KILL 40 \
			$perf record -q -e $event -c $period -o perf.data -- loop $N
		figure "$event-$period-time" "$(awk -v a="$start" '{ printf "%.2f", $1 - a }' /proc/uptime)" s
		figure "$event-$period-rate" "$(cat $rate)"
	done
done
done_testing
