# SPDX-License-Identifier: GPL-2.0
# about: dom0 is suspended to RAM and wakes up, with perf in it
# cpus: amd intel
# kernels: stock
# smp: 2
# xen: dom0_max_vcpus=1
# timeout: 600
. "${0%/*}/lib.sh"
# One vCPU: with two Linux 6.12 warns of an interrupt when it wakes up, the module there or not.
alarm=/sys/class/rtc/rtc0/wakealarm
ROUNDS=${RIG_ROUNDS:-2}
PERIOD=1000003
N=$((1000000000 + ROUNDS * 250000000))

woken() {
	dmesg | grep -c 'ACPI: PM: Waking up from system sleep state S3'
}

# to_ram: until the clock wakes it up
to_ram() {
	dmesg -c >/dev/null
	echo 0 >$alarm
	echo +5 >$alarm
	echo mem >/sys/power/state && [ "$(woken)" = 1 ]
}

# across NAME COMMAND...: it sleeps while the command, which takes longer, runs
across() {
	name=$1 slept=0
	shift
	"$@" >rig.out 2>&1 &
	job=$!
	for round in $(seq $ROUNDS); do
		sleep 0.2
		to_ram && slept=$((slept + 1))
	done
	check "$name: suspended and resumed" [ $slept = $ROUNDS ]
	check "$name: meanwhile" kill -0 $job
	wait $job
}

# counts_right NAME: the next program is counted
counts_right() {
	count instructions,cycles loop 400000000
	close_to "$1: instructions" "$(counted instructions)" 400000000 2
	close_to "$1: cycles" "$(counted cycles)" $((CYCLES * 400000000)) 2
}

counts_right before
across counting $perf stat -x, -o rig.stat -e instructions,cycles -- loop $N
for event in instructions cycles; do
	[ $event = cycles ] && per=$CYCLES || per=1
	figure counted-$event "$(percent "$(counted $event)" $((per * N)))" %
	close_to "counting: $event" "$(counted $event)" $((per * N)) 2
	near "counting: $event were on a counter all the time" "$(running $event)" 100 0.01
done

across sampling $perf record -q -e instructions -c $PERIOD -o perf.data -- loop $N
summarise
figure samples "$(percent "$(samples)" $((N / PERIOD)))" %
close_to "sampling: as many as were executed" "$(samples)" $((N / PERIOD)) 2
check "sampling: where the program is" [ "$(hottest)" = hot ]

across "a CPU" $perf record -q -C 0 -e instructions -c $PERIOD -o perf.data -- loop $N
summarise_program loop
close_to "a CPU: its program has as many samples as were executed" "$(samples)" $((N / PERIOD)) 2
counts_right afterwards
figure rounds $ROUNDS
done_testing
