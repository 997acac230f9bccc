# SPDX-License-Identifier: GPL-2.0
# about: while Xen's mode is off no number is printed, and none jumps afterwards
# cpus: amd intel
. "${0%/*}/lib.sh"
mode=/sys/hypervisor/pmu/pmu_mode
N=1000000000
PART=200000000

# shares FILE: each count of perf stat -I, in percent of the instructions that the
# machine executes in that interval's own time: half of one in a nanosecond. The first
# interval begins before perf's clock does: by the time for which the event ran. An
# interval may be as late as perf is woken, so none is held against a fixed number.
shares() {
	awk -F, '$4 ~ /instructions/ {
			time = 1000000000 * ($1 - before)
			before = $1
			if (time < $5) time = $5
			printf "%.0f\n", 100 * $2 / (time / 2)
		}' "$1"
}

greatest() {
	shares "$1" | sort -n | tail -1
}

# sum FILE: of all intervals
sum() {
	awk -F, '$4 ~ /instructions/ { sum += $2 } END { printf "%.0f", sum }' "$1"
}

# uncounted FILE: the intervals without a number
uncounted() {
	grep -c '<not counted>' "$1"
}

# across MODE COMMAND...: runs it, with the mode off for half a second, then MODE
across() {
	back=$1
	shift
	"$@" >rig.out 2>&1 &
	job=$!
	sleep 1
	echo off >$mode
	sleep 0.5
	echo "$back" >$mode
	wait $job
}

check "the mode is self at first" [ "$(cat $mode)" = self ]
echo off >$mode
count instructions,cycles,task-clock loop 10000000
for event in instructions cycles; do
	figure off-$event "$(counted $event | tr ' ' -)"
	check "off: $event are not supported" [ "$(counted $event)" = "<not supported>" ]
done
check "off: software events work" [ "$(counted task-clock | cut -d. -f1)" -gt 0 ]
check "off: the log says so" [ "$(pmu_messages | grep -c 'mode is off')" = 1 ]
echo self >$mode
count instructions,cycles loop $PART
close_to "self again: instructions" "$(counted instructions)" $PART $OWN
close_to "self again: cycles" "$(counted cycles)" $((CYCLES * PART)) $OWN
figure self-again "$(percent "$(counted instructions)" $PART)" %

for back in self hv; do
	across $back $perf stat -I 100 -x, -o intervals -e instructions -- loop $N
	sed 's/^/# /' intervals
	figure $back-greatest "$(greatest intervals)" %
	check "off, then $back: no interval jumps" [ "$(greatest intervals)" -le 103 ]
	check "off, then $back: intervals without a number" [ "$(uncounted intervals)" -ge 3 ]
	check "off, then $back: no more than was executed" \
		[ "$(sum intervals)" -le $((N / 100 * 101)) ]
	check "off, then $back: most of it was counted" [ "$(sum intervals)" -ge $((N / 2)) ]
	close_to "off, then $back: the event goes on" "$(shares intervals | tail -2 | head -1)" 100 5
	count instructions loop $PART
	close_to "mode $back: instructions" "$(counted instructions)" $PART $OWN
	figure $back-instructions "$(percent "$(counted instructions)" $PART)" %
done
echo self >$mode

across self $perf stat --no-scale -x, -o rig.stat -e instructions -- loop $N
echo "# $(tail -1 rig.stat)"
check "one count across off: no more than was executed" \
	[ "$(counted instructions)" -le $((N / 100 * 101)) ]
check "one count across off: perf says that it is not all of it" \
	[ "$(running instructions | cut -d. -f1)" -lt 95 ]
figure across-off "$(percent "$(counted instructions)" $N)" %

across self $perf record -q -e instructions -c 1000000 -o perf.data -- loop $N
summarise
check "sampling goes on after off" [ "$(samples)" -gt $((N / 1000000 / 2)) ]
check "and has no sample too many" [ "$(samples)" -le $((N / 1000000 / 100 * 101)) ]
figure samples-across-off "$(samples)"
done_testing
