# SPDX-License-Identifier: GPL-2.0
# about: the module comes and goes while perf counts and samples
# cpus: amd intel
# kernels: stock
# smp: 2
# timeout: 500
. "${0%/*}/lib.sh"
module=/modules/xen_pmu.ko
mode=/sys/hypervisor/pmu/pmu_mode
ROUNDS=${RIG_ROUNDS:-2}		# as on a host
FEW=2				# under each other use of perf
PIECE=100000000
PART=100000000
LITTLE=10000000

load() {
	insmod $module
}

remove() {
	rmmod xen_pmu
}

refused() {
	load 2>&1 | grep -q "can't insert"
}

# come_and_go TIMES: while the job is at work; leaves the module loaded, and ends the job
come_and_go() {
	sleep 0.5
	for round in $(seq "$1"); do
		remove && sleep 0.2 && load && sleep 0.2 || return 1
	done
	[ ! -e pieces ]
}

# as_long: what the job is, one piece after the other on CPU 1 until it is told to end
cat >as_long.sh <<W
n=0
until [ -e end ]; do
	taskset -c 1 loop $PIECE
	n=\$((n + 1))
done >/dev/null
echo \$n >pieces
W

# across NAME TIMES COMMAND...: the command with that job, and the module comes and goes
across() {
	what=$1 times=$2
	shift 2
	rm -f end pieces
	"$@" sh as_long.sh >rig.out 2>&1 &
	job=$!
	check "$what: it comes and goes meanwhile" come_and_go $times
	touch end
	wait $job
	executed=$(($(cat pieces) * PIECE))
	echo "# executed $executed"
}

# alone CPU INSTRUCTIONS: what perf counts of such a program there
alone() {
	count instructions taskset -c "$1" loop "$2"
	counted instructions
}

# counts_right NAME: the next programs are counted, on either CPU. What the kernel does
# to start and to end one, more than the rig's own kernels, is in both of two.
counts_right() {
	for cpu in 0 1; do
		little=$(alone $cpu $LITTLE)
		close_to "$1: instructions on CPU $cpu" \
			"$(($(alone $cpu $((LITTLE + PART))) - little))" $PART 1
	done
}

check "it is loaded" grep -q '^xen_pmu ' /proc/modules
check "and says so" [ "$(dmesg | grep -c 'xen_pmu: in place of')" = 1 ]
check "it is not loaded twice" refused
counts_right loaded
check "removal" remove
counts_right removed
check "loading" load
counts_right "loaded again"

across counting $FEW $perf stat -x, -o rig.stat -e instructions,cycles --
for event in instructions cycles; do
	[ $event = cycles ] && per=$CYCLES || per=1
	close_to "counting: $event" "$(counted $event)" $((per * executed)) 4
	figure counted-$event "$(percent "$(counted $event)" $((per * executed)))" %
	figure running-$event "$(running $event)" %
	check "counting: $event were on a counter most of the time" \
		[ "$(running $event | cut -d. -f1)" -ge 90 ]
done

across intervals $FEW $perf stat -I 100 -x, -a -o intervals -e instructions --
sed 's/^/# /' intervals
# Two processors execute at most half an instruction in a nanosecond each. perf looks
# at the clock first and may have to wait for the counts: what one interval has too
# much then, the next has too little.
check "intervals: none jumps" awk -F, '$4 ~ /instructions/ {
	time = 1000000000 * ($1 - before); before = $1
	if ($2 + last > 1.1 * (time + last_time)) bad = 1
	last = $2 + 0; last_time = time } END { exit bad + 0 }' intervals

across sampling $FEW $perf record -q -e instructions -c 1000000 -o perf.data --
summarise
figure samples "$(percent "$(samples)" $((executed / 1000000)))" %
close_to "sampling: as many as were executed" "$(samples)" $((executed / 1000000)) 10
check "sampling: where the program is" [ "$(hottest)" = hot ]

# As on a host: perf looks at all there is, and the lockup detector holds a counter.
detector=/proc/sys/kernel/nmi_watchdog
echo 1 >$detector
check "watched: the lockup detector is on" grep -q 1 $detector
across watched $ROUNDS $perf record -q -a -e instructions -c 1000000 -o perf.data --
summarise_program loop
close_to "watched: as many of the program as were executed" "$(samples)" \
	$((executed / 1000000)) 10
counts_right "with the lockup detector"
echo 0 >$detector

echo 0 >/sys/devices/system/cpu/cpu1/online
echo 1 >/sys/devices/system/cpu/cpu1/online
counts_right "a CPU went and came"
echo 0 >/sys/devices/system/cpu/cpu1/online
check "removal while a CPU is away" remove
echo 1 >/sys/devices/system/cpu/cpu1/online
counts_right "removed while a CPU was away"

echo off >$mode
check "it is refused while the mode is off" refused
check "and says why" [ "$(dmesg | tail -1 | grep -c 'mode is off.*nothing was changed')" = 1 ]
echo self >$mode
check "loading after that" load
counts_right "after that"
done_testing
