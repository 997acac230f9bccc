# SPDX-License-Identifier: GPL-2.0
# about: counters read by a tracepoint in the middle of a counter's own trap
# cpus: amd intel
. "${0%/*}/lib.sh"
TURNS=300
BURST=40000
N=$((TURNS * BURST))

# deltas EVENT: what each sample of the last recording adds to an event of the group
deltas() {
	$perf script -i perf.data -F period,event 2>/dev/null | sed 's/://g' |
		awk -v e="$1" '$2 == e { print $1 }'
}

# sum, greatest: of numbers, one a line
sum() {
	awk '{ s += $1 } END { printf "%.0f", s }'
}

greatest() {
	awk '$1 > m { m = $1 } END { printf "%.0f", m }'
}

# Each write of a register in a switch has perf read the whole group, and with it the
# counter that is being stopped or started just then. perf reads those, too, that it has yet
# to start, on any machine: what such a counter has from before may be another event's. So
# the event beside the group is pinned; it has its counter first, in perf record as well.
for trace in msr:write_msr msr:read_msr sched:sched_switch; do
	$perf stat -x, -o rig.stat -e instructions:D -- \
		$perf record -q -e "{$trace,instructions,r00c0}:S" -c 1 -o perf.data \
		-- doze $TURNS $BURST 100 >rig.out 2>&1 ||
		echo "# perf record of $trace failed: $(head -3 rig.out)"
	for event in instructions r00c0; do
		deltas $event >rig.deltas
		got=$(sum <rig.deltas)
		figure "$trace-$event" "$got" instructions
		figure "$trace-$event-samples" "$(wc -l <rig.deltas)"
		check "$trace: $event: it was read often" [ "$(wc -l <rig.deltas)" -ge $((TURNS / 2)) ]
		check "$trace: $event: nothing jumps" [ "$(greatest <rig.deltas)" -le $((4 * N)) ]
		check "$trace: $event: all is there" [ "$got" -ge $((N * 95 / 100)) ]
		check "$trace: $event: and no more than perf's own count of all" \
			[ "$got" -le "$(counted instructions:D)" ]
	done
done

# Sampled by an overflow beside it, with the tracepoint's events on the other counters
$perf record -q -e "{msr:write_msr,instructions}:S" -c 1 -o other.data -a -- \
	$perf record -q -e instructions -c 100000 -o perf.data -- doze $TURNS $BURST 100 >rig.out 2>&1
summarise
count instructions doze $TURNS $BURST 100
# The tracepoint's own work comes on top.
figure samples-beside "$(samples)"
figure samples-alone "$(($(counted instructions) / 100000))"
check "none of the samples beside it is lost" \
	[ "$(samples)" -ge "$(($(counted instructions) * 95 / 100 / 100000))" ]
count instructions:u loop 200000000
close_to "a count afterwards" "$(counted instructions:u)" 200000000 $OWN
done_testing
