# SPDX-License-Identifier: GPL-2.0
# about: perf uses all the counters that Xen has
# cpus: amd intel amd10h
. "${0%/*}/lib.sh"
N=200000000
SIX=cycles,instructions,branches,branch-misses,cache-references,cache-misses

# least: the smallest share of the time that one of six events is on a counter
least() {
	for event in $(echo $SIX | tr , ' '); do
		running "$event"
	done | sort -n | head -1
}

case $RIG_CPU in
amd10h | intel) want=4 ;;
*) want=6 ;;
esac
counters=$(general_counters)
check "perf has $want general counters" [ "$counters" = $want ]
figure counters "$counters"

count $SIX loop $N
for event in $(echo $SIX | tr , ' '); do
	echo "# $event: on a counter $(running "$event") % of the time"
done
figure least-of-six "$(least)" %
figure instructions-of-six "$(percent "$(counted instructions)" $N)" %
if [ "$RIG_CPU" = amd10h ]; then
	near "six events share four counters" "$(least)" 67 10
else	# Intel has two of the six on fixed counters
	near "six events at once are on counters all the time" "$(least)" 100 0.01
	close_to "instructions beside five other events" "$(counted instructions)" $N $OWN
	close_to "cycles beside five other events" "$(counted cycles)" $((CYCLES * N)) $OWN
fi
done_testing
