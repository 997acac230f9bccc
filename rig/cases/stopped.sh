# SPDX-License-Identifier: GPL-2.0
# about: a sample of every period, also where a task switch stops the event
# cpus: amd intel
. "${0%/*}/lib.sh"
TURNS=100
BURST=40000

# A program that sleeps by turns falls in step with a period: then it is always the
# same instruction that overflows, and it may well be one of the switch, where
# interrupts are off and perf stops the event before they are on. The group has perf
# read the count with each sample, so that each tells how far it is from the last one.
sampled_turns() {
	$perf record -q -e '{instructions,dummy}:S' -c "$1" -o perf.data \
		-- doze $TURNS $BURST 100 >rig.out 2>&1 ||
		echo "# perf record failed: $(head -3 rig.out)"
	$perf script -i perf.data -F period,event 2>/dev/null |
		awk '$2 ~ /^instructions/ { print $1 }' >rig.deltas
	samples=$(wc -l <rig.deltas)
	missed=$(awk -v p="$1" '{ n += int($1 / p + 0.5) - 1 } END { print n + 0 }' rig.deltas)
}

# Some of the periods are new each time.
random=$(awk 'BEGIN { srand(); for (i = 0; i < 4; i++) print int(5000 + 45000 * rand()) }')
all=0
lost=0
for period in 9973 50000 $random; do
	sampled_turns "$period"
	echo "# every $period: $samples samples, $missed missed"
	check "every $period: there are samples" [ "$samples" -gt $((TURNS * BURST / period / 2)) ]
	check "every $period: and none is missed" none "$missed"
	all=$((all + samples))
	lost=$((lost + missed))
done

# Another that overflows on the same CPU, and has it handle interrupts of its own; also
# while this one is stopped, near its overflow.
$perf record -q -e instructions -c 77777 -a -o other.data -- sleep 1000 >/dev/null 2>&1 &
other=$!
sampled_turns 9973
kill -INT $other
wait $other
check "beside a profile of all: there are samples" [ "$samples" -gt $((TURNS * BURST / 9973 / 2)) ]
# On Intel some are, in one run of five: 4 of 7,200, where upstream misses one of ten.
# How they are lost is not known.
check "beside a profile of all: of a hundred hardly one is missed" [ $((100 * missed)) -le "$samples" ]
figure samples $((all + samples))
figure missed $((lost + missed))
done_testing
