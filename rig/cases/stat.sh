# SPDX-License-Identifier: GPL-2.0
# about: perf stat counts a program of known length
# cpus: amd intel amd10h hygon
. "${0%/*}/lib.sh"
N=400000000

count instructions loop $N
close_to "instructions of a program of $N" "$(counted instructions)" $N $OWN
figure instructions "$(percent "$(counted instructions)" $N)" %

count cycles loop $N
# The rig's processor takes two cycles for every instruction; others do not.
[ -z "$RIG" ] && skip "cycles of that program" "known on the rig only" ||
	close_to "cycles of that program" "$(counted cycles)" $((CYCLES * N)) $OWN
figure cycles "$(percent "$(counted cycles)" $((CYCLES * N)))" %

# Four counters are on every processor: nothing may have to take turns.
four=cycles,instructions,branches,cache-misses
count $four loop $N
close_to "instructions beside three other events" "$(counted instructions)" $N $OWN
for event in cycles instructions branches cache-misses; do
	near "$event is on a counter all the time" "$(running $event)" 100 0.01
done
done_testing
