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

# A frequency that begins with a period of 1, in a kernel that is not wanted: nothing
# but the brake is between that and an interrupt behind every return from one.
for event in cycles:u instructions:u; do
	echo 100000 >$rate
	check "$event, 100000 a second: the program ends" timeout -s KILL 40 \
		$perf record -q -e $event -F 100000 -a -o perf.data -- doze 200 20000 100
	check "$event, 100000 a second: programs alone are in it" none \
		"$($perf script -i perf.data -F ip 2>/dev/null | grep -cE '^ *ffff[0-9a-f]{12}')"
	figure "$event-frequency" "$($perf script -i perf.data -F ip 2>/dev/null | wc -l)"
done
done_testing
