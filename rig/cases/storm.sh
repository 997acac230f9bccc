# SPDX-License-Identifier: GPL-2.0
# What the storms share. A case sources it first, calls `ready`, does something many
# times, `storm ROUND-COMMAND` for one, and `calm` last. Its rounds are those of
# `make test`, or ROUNDS= of make.
. "${0%/*}/lib.sh"
ROUNDS=${RIG_ROUNDS:-$ROUNDS}
N=400000000
PERIOD=5000000	# cycles, of the samples during the rounds
SPARE=400	# pages: slabs and tables that the kernel keeps, once

# bound: the interrupt lines of PMUs, as often as they are bound
bound() {
	grep -o 'pmu[0-9]*$' /proc/interrupts | sort | tr '\n' ' '
}

# Xen's own, in MiB; where its tools are
xen_free() {
	[ ! -e /usr/local/bin/xl ] || xl info | awk '$1 == "free_memory" { print $3 }'
}

# free_pages: with those that CPUs keep at hand; some hundred each, more or less by chance
free_pages() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	cat /proc/sys/vm/stat_refresh
	awk '$2 == "free" { free += $3 } $1 == "count:" { free += $2 } END { print free }' /proc/zoneinfo
}

# right: are both CPUs' counts and samples what they should be?
right() {
	for cpu in $CPUS; do
		count instructions:u taskset -c "$cpu" loop $N
		close_to "$1: instructions on CPU $cpu" "$(counted instructions:u)" $N $OWN
		$perf record -q -e instructions:u -c 1000000 -o perf.data -- \
			taskset -c "$cpu" loop $N >rig.out 2>&1
		summarise
		close_to "$1: samples on CPU $cpu" "$(samples)" $((N / 1000000)) 2
	done
}

ready() {
	CPUS=$(seq 0 $(($(nproc) - 1)))
	lines=$(bound)
	right "before"
	rm -f perf.data
	pages=$(free_pages)
	xen=$(xen_free)
}

# storm FUNCTION: calls it with 0, 1, ... while perf samples all CPUs, counts a task on
# each that comes and goes, and the lockup detector has its event. They sleep most of the
# time, which takes none on the rig: what the rounds do is what takes it.
storm() {
	$perf record -q -a -e cycles -c $PERIOD -o storm.data -- \
		sh -c 'touch storm.on; exec sleep 1000000' >rig.record 2>&1 &
	recorder=$!
	for second in $(seq 30); do
		[ ! -e storm.on ] || break
		sleep 1
	done
	loops=
	for cpu in $CPUS; do
		while :; do
			taskset -c "$cpu" $perf stat -x, -o "rig.stat.$cpu" -e cycles,instructions \
				-- doze 1000 20000 2000 >/dev/null 2>&1
		done &
		loops="$loops $!"
	done
	failed=0
	for round in $(seq $ROUNDS); do
		"$1" $((round - 1)) || failed=$((failed + 1))
	done
	kill -INT $recorder
	kill $loops
	wait
	figure rounds $ROUNDS
	check "all $ROUNDS rounds went well" none $failed
	sed 's/^/# /' rig.record
	summarise -i storm.data
	figure samples "$(samples)"
	# A round may be as short as their period.
	check "perf record survives them, with a sample in every second round" \
		[ $((2 * $(samples))) -ge $ROUNDS ]
}

calm() {
	# What the rounds left the kernel to do would count as the program's.
	sleep 2
	right "after"
	rm -f perf.data storm.data
	left=$(free_pages)
	figure pages-less $((pages - left))
	check "no page of memory for every round is lost" [ $((pages - left)) -lt $((SPARE + ROUNDS / 4)) ]
	[ -z "$xen" ] || check "and none of Xen's" [ "$(xen_free)" -ge "$xen" ]
	check "every PMU's interrupt is bound once, as before" [ "$(bound)" = "$lines" ]
	done_testing
}
