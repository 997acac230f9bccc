# SPDX-License-Identifier: GPL-2.0
# about: a group's events begin and end together, and overflow together
# cpus: amd intel
. "${0%/*}/lib.sh"
RUNS=${RIG_ROUNDS:-8}
N=20000000
PERIOD=50000
SLEEPS=20

# spread: between the largest and the smallest count of the last perf stat
spread() {
	awk -F, '/instructions|r00c0/ { if (!n++ || $1 < min) min = $1; if ($1 > max) max = $1 }
		END { printf "%.0f", n == 4 ? max - min : -1 }' rig.stat
}

# greatest_spread EVENTS COMMAND...: of several runs
greatest_spread() {
	most=0
	for run in $(seq $RUNS); do
		count "$@"
		now=$(spread)
		[ "$now" -ge 0 ] || return
		[ "$now" -le $most ] || most=$now
	done
	echo $most
}

EQUAL='{instructions,r00c0,r00c0,r00c0}'
sleeping=$(greatest_spread "$EQUAL" doze $SLEEPS 100000 1000)
figure spread-sleeping "$sleeping" instructions
forking=$(greatest_spread "$EQUAL" sh -c 'for i in 1 2 3 4 5; do true | true; done')
figure spread-forking "$forking" instructions

# Six events where there are four counters, or six: groups take turns.
turns=$(greatest_spread "{r00c0,r00c0,r00c0,r00c0},cycles,branches,cache-misses" loop $N)
figure spread-taking-turns "$turns" instructions

case $RIG_CPU in
intel)
	check "four equal events have one count, in each of $RUNS runs with sleeps" none "$sleeping"
	check "and in programs that fork" none "$forking"
	check "and where groups take turns" none "$turns"
	;;
*)	# There is no common switch: each has its own, and where it is not left on, as
	# without the laziness and upstream, some two traps are between.
	[ "$RIG_KERNEL" = eager ] && apart=150000 || apart=12000
	check "four equal events differ by little, with sleeps" [ "$sleeping" -lt $apart ]
	;;
esac

# both EVENT: two events with one period; each is to give what one gives alone
both() {
	record "$1" $PERIOD loop $N
	alone=$(samples)
	$perf record -q -e "$1" -e "$1" -c $PERIOD -o perf.data -- loop $N >rig.out 2>&1
	$perf report --stdio --no-children -g none -F sample,sym 2>/dev/null |
		awk '/^# Samples/ { n++ } /^ *[0-9]/ { sum[n] += $1 } END { print sum[1] + 0, sum[2] + 0 }' >two
	read -r first second <two
	figure "$1-alone" "$alone" samples
	figure "$1-first" "$first" samples
	figure "$1-second" "$second" samples
	close_to "$1: the first of two gives as many samples as one alone" "$first" "$alone" 3
	close_to "$1: and so does the second" "$second" "$alone" 3
}

both instructions:u
both instructions
done_testing
