# SPDX-License-Identifier: GPL-2.0
# about: perf record takes as many samples as it should, where the time goes
# cpus: amd intel
. "${0%/*}/lib.sh"
N=500000000
PERIOD=461803	# out of step with loop's rounds: 4.61803 of them

# How long the program takes in cycles is known on the rig only.
for event in instructions ${RIG:+cycles}; do
	scale=1
	[ $event = cycles ] && scale=$CYCLES
	record $event $((PERIOD * scale)) loop $N
	close_to "$event: samples, one every $((PERIOD * scale))" "$(samples)" $((N / PERIOD)) 2
	figure $event-samples "$(samples)"
	check "$event: hot is the hottest" [ "$(hottest)" = hot ]
	for function in "hot 60" "warm 30" "cold 10"; do
		near "$event: share of ${function% *}" "$(share "${function% *}")" "${function#* }" 3
	done
	figure $event-hot "$(share hot)" %
done
# perf's own brake: one percent of the time for interrupts is fewer samples
rate=/proc/sys/kernel/perf_event_max_sample_rate
before=$(cat $rate)
echo 1 >/proc/sys/kernel/perf_cpu_time_max_percent
$perf record -q -e instructions -c 20000 -o perf.data -- loop 50000000 >rig.out 2>&1
echo "# at most $before samples a second, then $(cat $rate)"
check "the brake knows what an interrupt takes" [ "$(cat $rate)" -lt "$before" ]
done_testing
