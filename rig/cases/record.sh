# SPDX-License-Identifier: GPL-2.0
# about: perf record takes as many samples as it should, where the time goes
# cpus: amd intel
. "${0%/*}/lib.sh"
N=500000000
PERIOD=500000

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
done_testing
